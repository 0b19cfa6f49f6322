document.querySelectorAll("#__ID__:not([data-ready])").forEach(function (root) {
  root.dataset.ready = "";
  var stage = root.querySelector(".stage"), input = root.querySelector("input");
  var names = root.querySelectorAll("figcaption");
  function show(at) {
    var share = Math.round(at);
    stage.style.setProperty("--at", at + "%");
    input.setAttribute("aria-valuetext",
      share + " % " + names[0].textContent + ", " + (100 - share) + " % " + names[1].textContent);
  }
  function drag(event) {
    var box = stage.getBoundingClientRect();
    var at = Math.min(100, Math.max(0, 100 * (event.clientX - box.left) / box.width));
    input.value = at;
    show(at);
  }
  input.addEventListener("input", function () { show(+input.value); });
  stage.addEventListener("pointerdown", function (event) {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    input.focus({preventScroll: true});
    drag(event);
  });
  stage.addEventListener("pointermove", function (event) {
    if (stage.hasPointerCapture(event.pointerId)) drag(event);
  });
  stage.addEventListener("mousedown", function (event) { event.preventDefault(); });
  show(+input.value);
});
