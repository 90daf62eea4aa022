// The page works without this: it copies codes, and shows new messages by itself.
"use strict";
(() => {
  const list = document.getElementById("messages");
  const live = document.getElementById("refreshed");
  const showButtons = () => {
    for (const button of list.querySelectorAll("button.copy")) button.hidden = !navigator.clipboard;
  };
  list.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.done;
  });
  const refresh = async () => {
    try {
      const answer = await fetch(location.href, {headers: {Accept: "text/html"}});
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("messages");
      if (fresh && fresh.textContent !== shown) {
        shown = fresh.textContent;
        list.replaceChildren(...fresh.childNodes);
        showButtons();
      }
    } catch {
      // the server is away; the next round tries again
    }
  };
  let shown = list.textContent;
  showButtons();
  live.textContent = live.dataset.text;
  setInterval(() => { if (!document.hidden) refresh(); }, 2000);
})();
