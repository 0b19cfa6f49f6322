/* Keys that a figure understands must not move to another cell or page: hosts listen at the document, in the capturing
phase, so only the window comes before them. Shift+Enter and shortcuts with Ctrl, Cmd or Alt stay the host's. A widget,
unlike a control of HTML, must hear the key itself: with that attribute JupyterLab leaves it alone. */
if (!window.styletutKeys) {
  window.styletutKeys = function (event) {
    if (!(event.target instanceof Element)) return;
    var figure = event.target.closest(".styletut-figure"), widget = event.target.closest(".styletut-live");
    var theirs = event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter");
    if (figure && !theirs) event.stopPropagation();
    if (widget) event.target.toggleAttribute("data-lm-suppress-shortcuts", !theirs);
  };
  window.addEventListener("keydown", window.styletutKeys, true);
}
