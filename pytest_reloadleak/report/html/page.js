(() => {
  "use strict";
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const by = (id) => document.getElementById(id);

  // Colours: the system's, until the reader chooses.
  const root = document.documentElement;
  const remembered = (value) => {
    try {
      if (value !== undefined) localStorage.setItem("reload-leak-theme", value);
      return localStorage.getItem("reload-leak-theme");
    } catch { return null; } // a page from a file may have no storage
  };
  const paint = (theme) => {
    if (theme === "auto") root.removeAttribute("data-theme"); else root.dataset.theme = theme;
    for (const button of all("button[data-theme]")) {
      button.setAttribute("aria-pressed", String(button.dataset.theme === theme));
    }
  };
  paint(["light", "dark"].includes(remembered()) ? remembered() : "auto");
  for (const button of all("button[data-theme]")) {
    button.addEventListener("click", () => { remembered(button.dataset.theme); paint(button.dataset.theme); });
  }

  // Filters.
  const text = new Map();
  const words = (element) => {
    if (!text.has(element)) text.set(element, element.textContent.toLowerCase());
    return text.get(element);
  };
  const fields = ["search", "kind", "growth", "outcome"].map(by);
  const filter = () => {
    const [search, kind, growth, outcome] = fields.map((field) => field.value.trim());
    const wanted = search.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (...elements) => wanted.every((word) => elements.some((one) => words(one).includes(word)));
    let shown = 0;
    let checks = 0;
    for (const check of all(".check")) {
      const fits = !outcome || check.dataset.outcome === outcome;
      const about = check.querySelector(".about");
      let inside = 0;
      for (const finding of all(".finding", check)) {
        const { kind: its, growth: grows } = finding.dataset;
        const is = fits && (!kind || its === kind) && (!growth || grows === growth) && has(finding, about);
        finding.hidden = !is;
        inside += is;
      }
      const whole = fits && !kind && !growth && has(about);
      check.hidden = !(inside || whole);
      for (const row of all(`tr[data-check="${check.id}"]`)) row.hidden = check.hidden;
      shown += inside;
      checks += !check.hidden;
    }
    by("shown").textContent = `${shown} of ${by("shown").dataset.total} findings`;
    by("none").hidden = checks > 0;
  };
  for (const field of fields) field.addEventListener("input", filter);
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  for (const button of all("[data-fold]")) {
    button.addEventListener("click", () => {
      for (const one of all(".finding > details")) one.open = button.dataset.fold === "open";
    });
  }
  filter(); // a reloaded page keeps what its fields had

  // A link to a folded finding unfolds it.
  const unfold = () => {
    const one = location.hash && by(decodeURIComponent(location.hash.slice(1)));
    const folded = one && one.querySelector(":scope > details");
    if (folded) folded.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  // Cures.
  const copy = async (text) => {
    try { await navigator.clipboard.writeText(text); } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  for (const button of all("[data-copy]")) {
    const label = button.firstChild;
    button.addEventListener("click", async () => {
      await copy(by(button.dataset.copy).textContent);
      label.data = "Copied";
      setTimeout(() => { label.data = "Copy"; }, 1500);
    });
  }
})();
