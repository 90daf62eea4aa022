// What makes the claim page more comfortable; without it everything works by hand.
// It sends nothing but GETs of the page's own addresses, and those change nothing.
(() => {
  "use strict";
  document.documentElement.classList.add("js");
  let hurryUntil = 0; // look often until then: something was just begun
  let timer = 0;

  const state = () => document.getElementById("state");

  // Seconds that remain of those the server gave when it made the page: the
  // reader's clock may be wrong.
  function remaining(element, name) {
    element.dataset.seen ??= String(performance.now());
    return Number(element.dataset[name]) - (performance.now() - Number(element.dataset.seen)) / 1000;
  }

  // Times in the reader's own zone, and how long is left.
  function clocks() {
    const lang = document.documentElement.lang;
    for (const t of document.querySelectorAll("time[datetime]:not([data-local])")) {
      if (!t.textContent.includes(":")) continue; // a date
      t.dataset.local = "";
      const day = "day" in t.dataset ? { weekday: "long", day: "numeric", month: "long" } : {};
      t.textContent = new Intl.DateTimeFormat(lang, { ...day, hour: "2-digit", minute: "2-digit" }).format(new Date(t.dateTime));
    }
    for (const s of document.querySelectorAll("[data-left]")) {
      const minutes = Math.ceil(remaining(s, "left") / 60);
      s.textContent = minutes <= 0 ? s.dataset.over : minutes === 1 ? s.dataset.single : s.dataset.many.replace("99", minutes);
    }
  }

  // The cool-down of "send a new code".
  function cooldowns() {
    for (const b of document.querySelectorAll("button[data-wait]")) {
      const seconds = Math.ceil(remaining(b, "wait"));
      b.disabled = seconds > 0;
      b.textContent = seconds > 0 ? b.dataset.waitLabel.replace("99", seconds) : b.dataset.label;
    }
  }

  // A download does not leave the page: say so, and watch out for what comes of it.
  function downloads() {
    for (const form of document.querySelectorAll("form[data-download]")) {
      form.addEventListener("submit", () => {
        for (const n of form.querySelectorAll(".busy")) n.hidden = false;
        hurryUntil = Date.now() + 120000;
        look(1000);
      });
    }
  }

  // One press copies a command; without a script, one press selects it.
  function copies() {
    for (const b of document.querySelectorAll("button.copy[hidden]")) {
      const label = b.textContent;
      b.hidden = false;
      b.addEventListener("click", async () => {
        if (!await copy(b.parentElement.querySelector("pre"))) return;
        b.textContent = b.dataset.done;
        document.getElementById("live").textContent = b.dataset.done;
        setTimeout(() => { b.textContent = label; document.getElementById("live").textContent = ""; }, 2000);
      });
    }
  }

  async function copy(pre) {
    try {
      await navigator.clipboard.writeText(pre.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(pre);
      return document.execCommand("copy");
    }
  }

  // Phones that read the code from the SMS (WebOTP) fill it in; sending it is left to the person.
  function otp() {
    const input = document.getElementById("code");
    if (!input || !("OTPCredential" in window)) return;
    const stop = new AbortController();
    input.form.addEventListener("submit", () => stop.abort());
    navigator.credentials.get({ otp: { transport: ["sms"] }, signal: stop.signal })
      .then((c) => { if (c && input.isConnected) input.value = c.code; })
      .catch(() => {});
  }

  // Show the page as it is now, without disturbing who is typing.
  async function refresh() {
    const answer = await fetch(state().dataset.page, { credentials: "same-origin" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = fresh.querySelector("main");
    if (!main) return;
    const typed = document.getElementById("code");
    const kept = typed && { value: typed.value, focused: document.activeElement === typed };
    const before = document.querySelector("h1")?.textContent;
    const old = state().dataset;
    document.querySelector("main").replaceChildren(...main.childNodes);
    document.title = fresh.title;
    const input = document.getElementById("code");
    if (kept && input) {
      input.value = kept.value;
      if (kept.focused) input.focus();
    }
    const heading = document.querySelector("h1")?.textContent;
    if (heading && heading !== before) document.getElementById("live").textContent = heading;
    if (!state()) { // a page where nothing moves any more
      const s = document.createElement("div");
      s.id = "state";
      s.hidden = true;
      Object.assign(s.dataset, old, { version: "" });
      delete s.dataset.status;
      document.querySelector("main").append(s);
    }
    begin();
  }

  function look(delay) {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const s = state();
      if (!s || !s.dataset.status) return;
      try {
        if (document.visibilityState === "visible") {
          const answer = await fetch(s.dataset.status, { credentials: "same-origin" });
          const now = await answer.json();
          if (now.version !== s.dataset.version) await refresh();
        }
      } catch { /* the next look tells */ }
      look(pace());
    }, delay);
  }

  function pace() {
    const busy = Date.now() < hurryUntil || state()?.hasAttribute("data-busy");
    return busy ? 1500 : 10000;
  }

  function begin() {
    clocks();
    cooldowns();
    downloads();
    copies();
    otp();
  }

  begin();
  setInterval(() => { clocks(); cooldowns(); }, 1000);
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") look(0); });
  look(pace());
})();
