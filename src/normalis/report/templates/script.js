"use strict";
(() => {
  const CHUNK = 60;
  const byId = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const data = JSON.parse(byId("data").textContent);
  const pictures = data.rows.map((row) =>
    Object.fromEntries(data.columns.map((name, column) => [name, row[column]])));
  const [MISSED] = data.verdicts;

  // What the reader has chosen; everything shown follows from it.
  const chosen = { group: "", text: "", order: "worst", heat: true, verdicts: new Set(data.verdicts) };
  let shown = [];
  let drawn = 0;
  let current = 0; // the card that has, or had, the focus
  let viewed = 0; // the picture in the large view

  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };

  // --- tables ---

  const sortRows = (table, column, rising) => {
    const value = (row) => {
      const cell = row.cells[column];
      return column === 0 ? cell.textContent : "value" in cell.dataset ? Number(cell.dataset.value) : null;
    };
    const compare = (one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === null || b === null) return (a === null) - (b === null); // n/a stays last
      const order = column === 0 ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
      return rising ? order : -order;
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(compare));
  };

  for (const table of all("table.sortable")) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", textContent: head.textContent });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const rising = head.getAttribute("aria-sort") === "descending"
          || (!head.hasAttribute("aria-sort") && column === 0);
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", rising ? "ascending" : "descending");
        sortRows(table, column, rising);
      });
    });
  }

  byId("classes")?.addEventListener("input", (event) => {
    const part = event.target.value.trim().toLowerCase();
    for (const row of all("table.sortable tbody tr")) {
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(part);
    }
  });

  // --- one class ---

  const chooseClass = (group) => {
    chosen.group = group;
    if (byId("class")) byId("class").value = group;
    document.body.classList.toggle("choice", group !== "");
    for (const node of all("[data-class]")) node.classList.toggle("chosen", node.dataset.class === group);
    for (const row of all("[data-row]")) row.classList.toggle("chosen", row.dataset.row === group);
    for (const figure of all("#scores figure")) {
      figure.hidden = group !== "" && figure.dataset.class !== group;
    }
    refill();
  };

  // --- the gallery ---

  const order = {
    high: (a, b) => b.score - a.score,
    low: (a, b) => a.score - b.score,
    p: (a, b) => a.p - b.p || b.score - a.score,
    name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
    // A missed defect is the worse the lower it scores, a good picture the higher.
    worst: (a, b) => a.verdict - b.verdict
      || (data.verdicts[a.verdict] === MISSED ? a.score - b.score : b.score - a.score),
  };

  const word = (picture) => data.verdicts[picture.verdict];
  const isMistake = (picture) => picture.verdict < 2;
  const inWords = (text) => text[0].toUpperCase() + text.slice(1);

  const refill = () => {
    const part = chosen.text.trim().toLowerCase();
    shown = pictures
      .filter((picture) => chosen.verdicts.has(word(picture))
        && (chosen.group === "" || picture.group === Number(chosen.group))
        && (`${picture.name} ${picture.defect}`.toLowerCase().includes(part)))
      .sort(order[chosen.order]);
    drawn = 0;
    current = 0;
    byId("cards").replaceChildren();
    const group = chosen.group === "" ? "" : ` of ${data.classes[chosen.group]}`;
    byId("status").textContent = `${shown.length.toLocaleString("en")} of `
      + `${pictures.length.toLocaleString("en")} pictures${group && `, only those${group}`}`;
    drawMore();
  };

  const short = (value) => Number(value.toPrecision(3));

  const image = (picture) => {
    const file = chosen.heat ? picture.heat : picture.picture;
    if (!file) return make("span", { className: "none", textContent: "no picture drawn" });
    const [width, height] = picture.shown;
    return make("img", {
      loading: "lazy", decoding: "async", width, height, src: file,
      alt: `${picture.name}${chosen.heat ? " with its heat map" : ""}`,
    });
  };

  const card = (picture, place) => {
    const line = (text, className = "") => make("span", { textContent: text, className });
    const mood = isMistake(picture) ? "bad" : "good";
    const text = make("span", { className: "text" },
      line(inWords(word(picture)), `verdict ${mood}`),
      line(`Score ${short(picture.score)}, p ${short(picture.p)}`),
      line(`${data.classes[picture.group]}, ${picture.defect}`),
      line(picture.name, "soft"));
    const button = make("button", { type: "button", className: "card" }, image(picture), text);
    button.addEventListener("click", () => enlarge(place));
    button.addEventListener("focus", () => { current = place; });
    return make("li", {}, button);
  };

  const drawMore = () => {
    const next = shown.slice(drawn, drawn + CHUNK);
    byId("cards").append(...next.map((picture, i) => card(picture, drawn + i)));
    drawn += next.length;
    watcher.unobserve(byId("more"));
    if (drawn < shown.length) watcher.observe(byId("more")); // reports at once if still in sight
  };

  const watcher = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) drawMore();
  }, { rootMargin: "1200px" });

  const focusCard = (place) => {
    if (!shown.length) return;
    current = Math.min(Math.max(place, 0), shown.length - 1);
    while (drawn <= current) drawMore();
    byId("cards").children[current].firstChild.focus();
  };

  const showHeat = (heat) => {
    chosen.heat = heat;
    byId("heat").setAttribute("aria-pressed", heat);
    [...byId("cards").children].forEach((item, place) => {
      item.firstChild.firstChild.replaceWith(image(shown[place]));
    });
  };

  // --- the large view ---

  const large = byId("large");

  const facts = (picture) => [
    ["Verdict", `${inWords(word(picture))}: ${picture.verdict % 3 === 0 ? "called good" : "called a defect"}`],
    ["Truth", `${data.classes[picture.group]}, ${picture.defect}${picture.mask ? ", with a mask" : ""}`],
    ["Score", picture.paper === null ? picture.score : `${picture.score} (as published ${picture.paper})`],
    ["p-value", picture.p],
    ["Concept", picture.concept],
    ["Size", `${picture.size[0]} × ${picture.size[1]} pixels`],
  ];

  const setImage = (node, file, alt, size) => {
    node.hidden = !file;
    if (!file) return;
    Object.assign(node, { src: file, alt, width: size[0], height: size[1] });
  };

  const enlarge = (place) => {
    viewed = Math.min(Math.max(place, 0), shown.length - 1);
    const picture = shown[viewed];
    byId("large-name").textContent = `${picture.name} (${viewed + 1} of ${shown.length})`;
    setImage(byId("large-picture"), picture.picture, picture.name, picture.shown);
    setImage(byId("large-heat"), picture.heat, `${picture.name} with its heat map`, picture.shown);
    setImage(byId("large-restored"), picture.restored, `${picture.name}, restored`, picture.shown);
    byId("large-rows").replaceChildren(...facts(picture).flatMap(([name, value]) =>
      [make("dt", { textContent: name }), make("dd", { textContent: value })]));
    if (!large.open) large.showModal();
  };

  large.addEventListener("close", () => focusCard(viewed));
  large.addEventListener("click", (event) => {
    if (event.target === large || "close" in event.target.dataset) large.close();
    if ("step" in event.target.dataset) enlarge(viewed + Number(event.target.dataset.step));
  });

  // --- what the reader does ---

  byId("class")?.addEventListener("change", (event) => chooseClass(event.target.value));
  byId("text").addEventListener("input", (event) => { chosen.text = event.target.value; refill(); });
  byId("order").addEventListener("change", (event) => { chosen.order = event.target.value; refill(); });
  byId("heat").addEventListener("click", () => showHeat(!chosen.heat));
  const boxes = all("#verdicts input");
  const readBoxes = () => {
    chosen.verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  };
  boxes.forEach((box) => box.addEventListener("change", () => { readBoxes(); refill(); }));
  for (const link of all("a[data-verdict]")) {
    link.addEventListener("click", () => {
      boxes.forEach((box) => { box.checked = box.value === link.dataset.verdict; });
      readBoxes();
      chooseClass(link.dataset.choose);
    });
  }

  const step = (by) => {
    if (large.open) return enlarge(viewed + by);
    const onCard = document.activeElement.classList.contains("card");
    return focusCard(onCard ? current + by : current);
  };
  const keys = {
    j: () => step(1),
    k: () => step(-1),
    h: () => showHeat(!chosen.heat),
    f: () => { if (!large.open) byId("text").focus(); },
    ArrowRight: () => { if (large.open) step(1); },
    ArrowLeft: () => { if (large.open) step(-1); },
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input[type=search], select, textarea");
    if (typing && event.key === "Escape") event.target.blur();
    if (typing || event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(keys, event.key)) return;
    if (event.key.length === 1) event.preventDefault(); // or the f would be typed into the field
    keys[event.key]();
  });

  all(".scripted").forEach((node) => { node.hidden = false; });
  chooseClass("");
})();
