document.querySelectorAll("#__ID__:not([data-ready])").forEach(function (root) {
  root.dataset.ready = "";
  var pictures = root.querySelectorAll(".pic"), keys = root.querySelectorAll("label");
  var inputs = root.querySelectorAll("input"), kept = __START__;
  function show(now) {
    pictures.forEach(function (picture, i) { picture.classList.toggle("on", i === now); });
  }
  function read() {
    inputs.forEach(function (input, i) { if (input.checked) kept = i; });
    show(kept);
  }
  keys.forEach(function (key, i) {
    key.addEventListener("pointerenter", function (event) { if (event.pointerType !== "touch") show(i); });
    key.addEventListener("pointerleave", function () { show(kept); });
  });
  root.querySelector("form").addEventListener("change", read);
  root.querySelector("form").addEventListener("submit", function (event) { event.preventDefault(); });
  read();
});
