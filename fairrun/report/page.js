const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const tip = document.getElementById("tip");

// What points and headings say, beside the pointer or the focus
function show(text, box) {
  tip.textContent = text;
  tip.hidden = false;
  const width = tip.offsetWidth, height = tip.offsetHeight;
  const left = Math.min(Math.max(10, box.left + box.width / 2 - width / 2), innerWidth - width - 10);
  const above = box.top - height - 10;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 6 ? above : box.bottom + 10}px`;
}
const hide = () => { tip.hidden = true; };
const said = (element) => element.dataset.says || document.getElementById(element.dataset.term).textContent;
const box = (element) => (element.querySelector("svg") || element).getBoundingClientRect();
all("[data-says], [data-term]").forEach((element) => {
  element.addEventListener("pointerenter", () => show(said(element), box(element)));
  element.addEventListener("pointerleave", hide);
});
all("button[data-term]").forEach((button) => {
  button.addEventListener("focus", () => { if (button.matches(":focus-visible")) show(said(button), box(button)); });
  button.addEventListener("blur", hide);
});
addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
addEventListener("scroll", hide, { passive: true, capture: true });

// Arrow keys go from point to point of a panel
all(".points").forEach((list) => {
  let at = -1;
  const points = () => all(".point", list).filter((point) => point.offsetParent && !point.classList.contains("off"));
  const select = (k) => {
    const known = points();
    if (!known.length) return;
    at = (k + known.length) % known.length;
    all("[aria-selected=true]", list).forEach((point) => point.setAttribute("aria-selected", "false"));
    known[at].setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", known[at].id);
    show(said(known[at]), box(known[at]));
  };
  list.addEventListener("focus", () => { if (list.matches(":focus-visible")) select(Math.max(at, 0)); });
  list.addEventListener("blur", () => { hide(); all("[aria-selected=true]", list).forEach((point) => point.setAttribute("aria-selected", "false")); });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (step) select(at + step);
    else if (event.key === "Home") select(0);
    else if (event.key === "End") select(-1);
    else return;
    event.preventDefault();
  });
});

// Labels beside points: each where nothing else is, or nowhere
const SIDES = [[-.5, -20], [-.5, 9], [0, -19, 7], [-1, -19, -7], [0, 7, 7], [-1, 7, -7], [0, -7, 12], [-1, -7, -12]];
function place(plot) {
  const frame = plot.getBoundingClientRect();
  const taken = all(".point:not(.off) svg, .rule-text", plot).map((one) => one.getBoundingClientRect()).filter((one) => one.width)
    .map((one) => one.width === 16 ? { left: one.left + 2, right: one.right - 2, top: one.top + 2, bottom: one.bottom - 2 } : one);
  all(".means .ends", plot).forEach((line) => {
    const one = line.getBoundingClientRect();
    if (one.width || one.height) taken.push({ left: one.left - 1, right: one.right + 1, top: one.top - 1, bottom: one.bottom + 1 });
  });
  all(".means .line", plot).filter((path) => path.getBoundingClientRect().width).forEach((path) => {
    const to = path.getScreenCTM(), length = path.getTotalLength();
    for (let k = 0; k <= 150; k++) {
      const point = path.getPointAtLength(length * k / 150).matrixTransform(to);
      taken.push({ left: point.x - 1, right: point.x + 1, top: point.y - 1, bottom: point.y + 1 });
    }
  });
  const free = (a) => a.left >= frame.left && a.right <= frame.right + 8 && a.top >= frame.top - 4 && a.bottom <= frame.bottom
    && !taken.some((b) => a.left < b.right && a.right > b.left && a.top < b.bottom && a.bottom > b.top);
  const chosen = (label) => label.classList.contains("chosen");
  const labels = all(".label:not(.off)", plot).sort((a, b) => chosen(b) - chosen(a));
  for (const label of labels) {
    label.style.visibility = "visible";
    const far = chosen(label) ? 1.5 : 1;
    const fits = SIDES.some(([share, y, x = 0]) => {
      label.style.transform = `translate(${share * label.offsetWidth + x * far}px, ${y * far}px)`;
      return free(label.getBoundingClientRect());
    });
    if (fits) taken.push(label.getBoundingClientRect());
    else label.style.visibility = "hidden";
  }
}
const placeAll = () => all(".plot").forEach(place);
placeAll();
addEventListener("resize", placeAll);

// The legend hides and shows methods; switches hide and show parts
all("figure").forEach((figure) => {
  all(".legend button", figure).forEach((button) => button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    all("[data-series]", figure).filter((part) => part.dataset.series === button.dataset.name).forEach((part) => part.classList.toggle("off", !on));
    all(".plot", figure).forEach(place);
  }));
  all("input[data-class]", figure).forEach((input) => input.addEventListener("change", () => {
    figure.classList.toggle(input.dataset.class, input.checked === (input.dataset.when === "checked"));
    all(".plot", figure).forEach(place);
  }));
});

// Curves: one epoch is read at a time, by the pointer or by the range below
all("figure[data-curves]").forEach((figure) => {
  const { epochs, panels } = JSON.parse(figure.querySelector("script").textContent);
  const range = figure.querySelector("input[type=range]"), output = figure.querySelector("output");
  const plots = all(".plot", figure), readings = all(".reading", figure);
  const read = () => {
    const epoch = epochs[range.value];
    output.textContent = epoch;
    panels.forEach((panel, k) => {
      const cursor = plots[k].querySelector(".cursor");
      cursor.hidden = false;
      cursor.style.left = `${100 * (epoch - panel.low) / (panel.high - panel.low)}%`;
      readings[k].replaceChildren(...panel.curves.filter((curve) => curve.says[range.value]).map((curve) => {
        const line = document.createElement("li");
        for (const text of [curve.name, curve.says[range.value]]) line.append(Object.assign(document.createElement("span"), { textContent: text }));
        return line;
      }));
    });
  };
  range.addEventListener("input", read);
  plots.forEach((plot, k) => plot.addEventListener("pointermove", (event) => {
    const { left, width } = plot.getBoundingClientRect(), { low, high } = panels[k];
    const epoch = low + (high - low) * (event.clientX - left) / width;
    const nearest = epochs.reduce((best, other, j) => Math.abs(other - epoch) < Math.abs(epochs[best] - epoch) ? j : best, 0);
    if (nearest !== +range.value) { range.value = nearest; read(); }
  }));
  read();
});

// Copy buttons
all(".command button").forEach((button) => button.addEventListener("click", () => {
  const text = button.previousElementSibling;
  getSelection().selectAllChildren(text);  // for browsers that let no page of a file write to the clipboard
  const done = (copied) => { button.textContent = copied ? "Copied" : "Selected: press Ctrl-C"; };
  if (!navigator.clipboard) return done(document.execCommand("copy"));
  navigator.clipboard.writeText(text.textContent).then(() => done(true), () => done(document.execCommand("copy")));
}));

// Tables: sorted by a heading, filtered by words
all("th button").forEach((button) => button.addEventListener("click", () => {
  const head = button.parentElement, body = head.closest("table").tBodies[0];
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const cell = (row) => row.cells[head.cellIndex].textContent.trim();
  const compare = (a, b) => {
    const [x, y] = [cell(a), cell(b)], [p, q] = [parseFloat(x), parseFloat(y)];
    if (!isNaN(p) && !isNaN(q)) return sign * (p - q);
    if (x === "" || x === "-" || y === "" || y === "-") return (x === "" || x === "-") - (y === "" || y === "-");
    return sign * x.localeCompare(y);
  };
  for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
  body.append(...[...body.rows].sort(compare));
}));
all(".filter input").forEach((input) => {
  const rows = all(`#${input.dataset.table} tbody tr`), count = input.closest(".filter").querySelector("output");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row) => { row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word)); });
    count.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows` : "";
  });
});
