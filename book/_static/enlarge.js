/* A picture of a figure opens above the page: as large as the window, and never so small that a plot cannot be read. */
(function () {
  "use strict";
  const READABLE = 1000; // pixels across, of a plot that is 8 inches wide
  const NOT = ".styletut-figure *, .styletut-live *, .widget-subarea *"; // they have controls of their own
  let layer, shown, words;

  function build() {
    layer = document.createElement("dialog");
    layer.className = "enlarged";
    layer.innerHTML = `<button type="button" autofocus>Close</button><div role="region"></div><p id="enlarged-words"></p>`;
    layer.setAttribute("aria-labelledby", "enlarged-words");
    shown = layer.querySelector("div");
    words = layer.querySelector("p");
    layer.addEventListener("click", event => {
      if (event.target !== words) layer.close();
    });
    window.addEventListener("resize", fit);
    document.body.append(layer);
  }

  function fit() {
    const picture = shown.querySelector("img");
    if (!layer.open || !picture) return;
    const { naturalWidth: width, naturalHeight: height } = picture;
    const room = Math.min((0.94 * window.innerWidth) / width, (0.76 * window.innerHeight) / height);
    picture.style.width = `${Math.round(Math.max(width * room, Math.min(width, READABLE)))}px`;
    shown.tabIndex = shown.scrollWidth > shown.clientWidth || shown.scrollHeight > shown.clientHeight ? 0 : -1;
  }

  function open(event) {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return; // as any link
    event.preventDefault();
    if (!layer) build();
    const small = event.currentTarget.querySelector("img");
    const large = new Image();
    large.alt = small.alt;
    large.addEventListener("load", fit);
    large.src = small.src;
    shown.replaceChildren(large);
    shown.setAttribute("aria-label", "The picture");
    const caption = small.closest("figure")?.querySelector("figcaption")?.cloneNode(true);
    caption?.querySelector(".headerlink")?.remove();
    words.textContent = caption?.textContent.trim() || small.alt;
    layer.showModal();
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
