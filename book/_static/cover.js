/* The cover: one side of its divider shows the style that is chosen. A picture is loaded when its style is. */
(function () {
  "use strict";
  for (const cover of document.querySelectorAll(".styletut-cover")) {
    const painted = cover.querySelector(".after img"), name = cover.querySelector(".after figcaption");
    const slider = cover.querySelector("input[type=range]"), choice = cover.querySelector("fieldset");

    choice.addEventListener("change", async ({ target }) => {
      const picture = new Image();
      picture.src = target.dataset.picture;
      await picture.decode().catch(() => {}); // then its words stand in its place
      if (!target.checked) return; // another was chosen meanwhile
      const label = target.closest("label").textContent;
      slider.setAttribute("aria-valuetext", slider.getAttribute("aria-valuetext").replace(name.textContent, label));
      painted.src = picture.src;
      painted.alt = target.dataset.alt;
      name.textContent = label;
    });
  }
})();
