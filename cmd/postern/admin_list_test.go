package main_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAdminPages(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	for i := range 7 {
		h.post(http.StatusCreated, "/organizations", fmt.Sprintf(`{"id":"org-%d","name":"Organisation %d"}`, i, i))
	}
	var got []string
	cursor := ""
	for range 10 {
		var page struct {
			Items []struct{ ID string }
			Next  string
		}
		h.get("/organizations?limit=3&cursor="+cursor).into(t, &page)
		for _, o := range page.Items {
			got = append(got, o.ID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	want := []string{"org-0", "org-1", "org-2", "org-3", "org-4", "org-5", "org-6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the pages together (-want +got):\n%s", diff)
	}
}

func TestAdminFilters(t *testing.T) {
	t.Parallel()
	h := openAdmin(t)
	contact, order, serial := h.issued()
	h.post(http.StatusCreated, "/organizations", `{"id":"other","name":"Other"}`)
	h.post(http.StatusCreated, "/services", `{"organization":"other","name":"shop"}`)
	soon, late := h.now().AddDate(1, 0, 0).Format(time.RFC3339), h.now().AddDate(3, 0, 0).Format(time.RFC3339)
	for path, want := range map[string]int{
		"/contacts?organization=acme":                      1,
		"/contacts?organization=other":                     0,
		"/contacts?email=ADA@acme.example":                 1,
		"/services":                                        2,
		"/services?organization=other":                     1,
		"/orders?state=downloaded":                         1,
		"/orders?state=requested":                          0,
		"/orders?service=acme.payments&contact=" + contact: 1,
		"/orders?organization=other":                       0,
		"/certificates?status=active":                      1,
		"/certificates?status=revoked":                     0,
		"/certificates?order=" + order:                     1,
		"/certificates?service=other.shop":                 0,
		"/certificates?expires_before=" + soon:             0,
		"/certificates?expires_before=" + late:             1,
		"/messages?state=pending":                          1,
		"/messages?order=" + order:                         3,
		"/audit?order=" + order + "&limit=1":               1,
		"/audit?serial=" + serial:                          3,
	} {
		var page struct{ Items []map[string]any }
		h.get(path).into(t, &page)
		if len(page.Items) != want {
			t.Errorf("%s has %d items, want %d", path, len(page.Items), want)
		}
	}
}
