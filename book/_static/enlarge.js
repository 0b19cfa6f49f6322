/* A picture of a figure opens above the page: as large as the window, and never so small that a plot cannot be read.
   From a picture of a gallery, buttons and the arrow keys lead to the next one. */
(function () {
  "use strict";
  const READABLE = 1000; // pixels across, of a plot that is 8 inches wide
  const NOT = ".styletut-figure *, .styletut-live *, .widget-subarea *"; // they have controls of their own
  let layer, shown, words, present;

  function build() {
    layer = document.createElement("dialog");
    layer.className = "enlarged";
    layer.innerHTML = `<header><button type="button" class="step">Previous</button>
      <button type="button" class="step">Next</button><button type="button" autofocus>Close</button></header>
      <div role="region"></div><p id="enlarged-words"></p>`;
    layer.setAttribute("aria-labelledby", "enlarged-words");
    shown = layer.querySelector("div");
    words = layer.querySelector("p");
    const [previous, next] = layer.querySelectorAll(".step");
    layer.addEventListener("click", event => {
      if (event.target === previous) step(-1);
      else if (event.target === next) step(1);
      else if (!words.contains(event.target)) layer.close();
    });
    layer.addEventListener("keydown", event => {
      const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const scrolls = event.target === shown && shown.scrollWidth > shown.clientWidth;
      if (way && !scrolls && !event.altKey && !event.ctrlKey && !event.metaKey) step(way);
    });
    layer.addEventListener("close", () => present.focus());
    window.addEventListener("resize", fit);
    document.body.append(layer);
  }

  function fit() {
    const picture = shown.querySelector("img");
    if (!layer.open || !picture) return;
    const { naturalWidth: width, naturalHeight: height } = picture;
    const room = Math.min((0.94 * window.innerWidth) / width, (0.76 * window.innerHeight) / height);
    const least = others().length ? 0 : Math.min(width, READABLE); // what is painted is seen as a whole
    picture.style.width = `${Math.round(Math.max(width * room, least))}px`;
    shown.tabIndex = shown.scrollWidth > shown.clientWidth || shown.scrollHeight > shown.clientHeight ? 0 : -1;
  }

  const others = () => [...(present.closest(".styletut-gallery")?.querySelectorAll("a.enlarge") ?? [])];

  function step(way) {
    const all = others();
    if (all.length) show(all.at((all.indexOf(present) + way) % all.length));
  }

  function open(event) {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return; // as any link
    event.preventDefault();
    if (!layer) build();
    show(event.currentTarget);
    layer.showModal();
    fit();
  }

  function show(link) {
    present = link;
    for (const button of layer.querySelectorAll(".step")) button.hidden = !others().length;
    const small = link.querySelector("img");
    const large = new Image();
    large.alt = small.alt;
    large.classList.toggle("plot", Boolean(small.closest(".tag_plot")));
    large.addEventListener("load", fit);
    large.src = small.src;
    shown.replaceChildren(large);
    shown.setAttribute("aria-label", "The picture");
    const caption = small.closest("figure")?.querySelector("figcaption")?.cloneNode(true);
    caption?.querySelector(".headerlink")?.remove();
    if (caption && others().length) words.replaceChildren(...caption.childNodes);
    else words.textContent = caption?.textContent.trim() || small.alt;
    fit();
  }

  for (const picture of document.querySelectorAll(".bd-content figure img, .bd-content .cell_output img")) {
    if (picture.matches(NOT)) continue;
    let link = picture.closest("a");
    if (!link) {
      link = document.createElement("a");
      link.href = picture.src;
      picture.replaceWith(link);
      link.append(picture);
    }
    link.classList.add("enlarge");
    link.addEventListener("click", open);
  }
})();
