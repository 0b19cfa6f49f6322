/* A formula too wide for its box scrolls, so the keyboard must get there; all others are no stops on the way. */
(function () {
  "use strict";
  function mark() {
    for (const formula of document.querySelectorAll('.bd-content mjx-container[display="true"]'))
      formula.tabIndex = formula.scrollWidth > formula.clientWidth ? 0 : -1;
  }
  window.addEventListener("load", async () => {
    await Promise.all([window.MathJax?.startup?.promise, document.fonts.ready]);
    mark();
    window.addEventListener("resize", mark);
  });
})();
