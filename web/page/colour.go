package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// defaultColour is the blue of an unbranded site.
const defaultColour = "#0f5c8c"

type rgb [3]uint8

func (c rgb) String() string { return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]) }

// style returns the style sheet with the brand's colour, darkened or lightened
// until it can be read on the page's background (WCAG 2.2, 1.4.3: 4.5 to 1).
func (b Brand) style() ([]byte, error) {
	colour, err := parseColour(b.Colour)
	if err != nil {
		return nil, err
	}
	paper, night := rgb{0xff, 0xff, 0xff}, rgb{0x1a, 0x22, 0x2e} // the backgrounds in page.css
	light, dark := colour.readableOn(paper), colour.readableOn(night)
	return fmt.Appendf(nil, ":root{--brand:%s;--brand-text:%s;--brand-strong:%s}\n"+
		"@media (prefers-color-scheme:dark){:root{--brand:%s;--brand-text:%s;--brand-strong:%s}}\n",
		light, light.textOn(), light.mix(rgb{}, 0.2), dark, dark.textOn(), dark.mix(paper, 0.25)), nil
}

func parseColour(s string) (rgb, error) {
	if s == "" {
		s = defaultColour
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "#"), 16, 32)
	if err != nil || len(s) != 7 || s[0] != '#' {
		return rgb{}, issuance.Invalidf("brand.colour", strconv.Quote(s)+" is not a colour",
			"write it as #rrggbb, for example "+defaultColour)
	}
	return rgb{uint8(n >> 16), uint8(n >> 8), uint8(n)}, nil
}

// readableOn returns c, mixed with black or white until it stands out from background.
func (c rgb) readableOn(background rgb) rgb {
	towards := rgb{}
	if background.luminance() < 0.5 {
		towards = rgb{0xff, 0xff, 0xff}
	}
	for part := 0.0; part < 1; part += 0.05 {
		if mixed := c.mix(towards, part); contrast(mixed, background) >= 4.6 {
			return mixed
		}
	}
	return towards
}

// textOn returns black or white, whichever is easier to read on c.
func (c rgb) textOn() rgb {
	white, black := rgb{0xff, 0xff, 0xff}, rgb{0x10, 0x16, 0x1e}
	if contrast(c, white) >= contrast(c, black) {
		return white
	}
	return black
}

func (c rgb) mix(other rgb, part float64) (out rgb) {
	for i := range c {
		out[i] = uint8(math.Round(float64(c[i])*(1-part) + float64(other[i])*part))
	}
	return out
}

// luminance is WCAG's relative luminance, 0 for black to 1 for white.
func (c rgb) luminance() float64 {
	var l [3]float64
	for i, v := range c {
		if f := float64(v) / 255; f <= 0.04045 {
			l[i] = f / 12.92
		} else {
			l[i] = math.Pow((f+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*l[0] + 0.7152*l[1] + 0.0722*l[2]
}

// contrast is WCAG's contrast ratio, 1 to 21.
func contrast(a, b rgb) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}
