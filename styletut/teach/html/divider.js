document.querySelectorAll("#__ID__:not([data-ready])").forEach(function (root) {
  root.dataset.ready = "";
  var stage = root.querySelector(".stage"), input = root.querySelector("input");
  var names = root.querySelectorAll("figcaption"), finger = null;
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
  input.addEventListener("input", function () {
    stage.classList.remove("held");
    show(+input.value);
  });
  function scrolls(event) {
    return finger && Math.abs(event.clientX - finger.clientX) <= Math.abs(event.clientY - finger.clientY);
  }
  stage.addEventListener("pointerdown", function (event) {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("held");
    input.focus({preventScroll: true});
    finger = event.pointerType === "touch" ? event : null;
    if (!finger) drag(event);
  });
  stage.addEventListener("pointermove", function (event) {
    if (!stage.hasPointerCapture(event.pointerId) || scrolls(event)) return;
    finger = null;
    drag(event);
  });
  stage.addEventListener("pointerup", function (event) {
    if (finger && Math.abs(event.clientY - finger.clientY) < 10) drag(event);
  });
  input.addEventListener("blur", function () { stage.classList.remove("held"); });
  stage.addEventListener("mousedown", function (event) { event.preventDefault(); });
  show(+input.value);
});
