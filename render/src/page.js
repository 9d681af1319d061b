(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const [query, count, themeButton, tip, pin, pinTitle, pinFacts, pinClose] =
    ["d:q", "d:n", "d:t", "d:tip", "d:pin", "d:pt", "d:pf", "d:pc"].map(byId);
  const boxes = [...document.querySelectorAll("svg g")];
  const facts = new Map(), words = new Map();

  // The card replaces the browser's own tooltip; without scripts the <title> still works.
  for (const g of boxes) {
    const own = [...g.children];
    const title = own.find((e) => e.localName === "title");
    const text = own.filter((e) => e.localName === "text").map((e) => e.textContent).join(" ");
    if (title) {
      facts.set(g, title.textContent);
      g.setAttribute("aria-label", title.textContent);
      g.setAttribute("role", "group");
      g.setAttribute("tabindex", "-1");
      title.remove();
    }
    words.set(g, [text, facts.get(g) || "", g.id, g.dataset.k || ""].join(" ").toLowerCase());
  }
  const titled = boxes.filter((g) => facts.has(g));
  if (titled.length) titled[0].setAttribute("tabindex", "0");
  const boxOf = (node) => {
    let g = node.closest ? node.closest("svg g") : null;
    while (g && !facts.has(g)) g = g.parentElement.closest("svg g");
    return g;
  };

  // Card under the pointer
  document.addEventListener("pointermove", (e) => {
    const g = boxOf(e.target);
    tip.hidden = !g;
    if (!g) return;
    tip.textContent = facts.get(g);
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(e.clientX + 14, innerWidth - width - 8)) + "px";
    tip.style.top = Math.max(4, e.clientY + 18 + height > innerHeight ? e.clientY - height - 10 : e.clientY + 18) + "px";
  });
  document.addEventListener("pointerleave", () => { tip.hidden = true; });

  // Facts pinned at the side
  let pinned = null;
  const show = (g) => {
    if (pinned) pinned.classList.remove("pinned");
    pinned = g === pinned ? null : g;
    pin.hidden = !pinned;
    if (!pinned) return;
    pinned.classList.add("pinned");
    const [first, ...rest] = facts.get(pinned).split("\n");
    pinTitle.textContent = first;
    pinFacts.textContent = rest.join("\n");
  };
  document.addEventListener("click", (e) => {
    const g = boxOf(e.target);
    if (g && !String(getSelection())) show(g);
  });
  pinClose.addEventListener("click", () => show(pinned));

  // Keys: arrows walk the boxes, Enter pins
  const focus = (g) => {
    if (!g) return;
    for (const other of document.querySelectorAll('svg g[tabindex="0"]')) other.setAttribute("tabindex", "-1");
    g.setAttribute("tabindex", "0");
    g.focus();
  };
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && e.target !== query) { query.focus(); e.preventDefault(); return; }
    if (e.key === "Escape") { tip.hidden = true; if (pinned) show(pinned); return; }
    const g = facts.has(e.target) ? e.target : null;
    if (!g) return;
    const at = titled.indexOf(g);
    const to = { ArrowRight: titled[at + 1], ArrowLeft: titled[at - 1],
      ArrowUp: boxOf(g.parentElement), ArrowDown: titled.find((c) => c !== g && g.contains(c)) };
    if (e.key in to) { focus(to[e.key]); e.preventDefault(); }
    if (e.key === "Enter" || e.key === " ") { show(g); e.preventDefault(); }
  });

  // Search
  let hits = [], now = -1;
  const step = (by) => {
    if (!hits.length) return;
    if (now >= 0) hits[now].classList.remove("now");
    now = (now + by + hits.length) % hits.length;
    const g = hits[now];
    const details = g.closest("details");
    if (details) details.open = true;
    g.classList.add("now");
    g.scrollIntoView({ block: "center", inline: "center" });
    count.textContent = `${now + 1} of ${hits.length}`;
  };
  const search = () => {
    for (const g of hits) g.classList.remove("hit", "now");
    const wanted = query.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    hits = wanted.length ? boxes.filter((g) => wanted.every((w) => words.get(g).includes(w))) : [];
    now = -1;
    for (const g of hits) g.classList.add("hit");
    document.body.classList.toggle("searching", wanted.length > 0);
    count.textContent = wanted.length ? (hits.length ? `${hits.length} found` : "nothing found") : "";
  };
  query.addEventListener("input", search);
  query.addEventListener("keydown", (e) => {
    if (e.key === "Enter") { step(e.shiftKey ? -1 : 1); e.preventDefault(); }
    if (e.key === "Escape") { query.value = ""; search(); }
  });

  // Light, dark or as the system says
  const themes = ["auto", "light", "dark"];
  let theme = "auto";
  try { theme = localStorage.getItem("delid-theme") || "auto"; } catch { /* not allowed for files */ }
  const dress = () => {
    document.documentElement.dataset.theme = theme;
    themeButton.textContent = "Theme: " + theme;
  };
  themeButton.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try { localStorage.setItem("delid-theme", theme); } catch { /* not allowed for files */ }
    dress();
  });
  dress();
  addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("details")) d.open = true; });
})();
