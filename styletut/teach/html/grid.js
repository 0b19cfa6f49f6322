document.querySelectorAll("#__ID__:not([data-ready])").forEach(function (root) {
  root.dataset.ready = "";
  var pictures = root.querySelectorAll(".pic"), inputs = root.querySelectorAll("input");
  var map = root.querySelector(".map");
  pictures.forEach(function (picture) {
    map.appendChild(document.createElement("i")).appendChild(picture.querySelector("img").cloneNode());
  });
  function show(now) {
    pictures.forEach(function (picture, i) {
      picture.classList.toggle("on", i === now);
      map.children[i].classList.toggle("on", i === now);
    });
    inputs.forEach(function (input) {
      input.value = input.dataset.axis === "0" ? Math.floor(now / __ACROSS__) : now % __ACROSS__;
      var value = JSON.parse(input.dataset.values)[input.value];
      input.setAttribute("aria-valuetext", value);
      input.parentNode.querySelector("b").textContent = value;
    });
  }
  function read() {
    var now = 0;
    inputs.forEach(function (input) { now += +input.value * (input.dataset.axis === "0" ? __ACROSS__ : 1); });
    show(now);
  }
  function point(event) {
    var cell = event.target.closest("i");
    if (cell) show(Array.prototype.indexOf.call(map.children, cell));
  }
  inputs.forEach(function (input) { input.addEventListener("input", read); });
  map.addEventListener("pointerover", point);
  map.addEventListener("click", point);
  read();
});
