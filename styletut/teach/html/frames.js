document.querySelectorAll("#__ID__:not([data-ready])").forEach(function (root) {
  root.dataset.ready = "";
  var pictures = root.querySelectorAll(".pic"), input = root.querySelector("input");
  var button = root.querySelector("button"), timer = 0;
  var calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  function show(now) {
    pictures.forEach(function (picture, i) { picture.classList.toggle("on", i === now); });
    input.value = now;
    input.setAttribute("aria-valuetext", pictures[now].textContent);
  }
  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(advance, __PAUSE__) : 0;
    button.classList.toggle("playing", on);
    button.setAttribute("aria-label", on ? "Pause" : "Play");
  }
  function advance() {
    if (calm.matches || !root.isConnected) return play(false);
    show(+input.value + 1);
    if (+input.value === pictures.length - 1) play(false);
  }
  input.addEventListener("input", function () { play(false); show(+input.value); });
  button.addEventListener("click", function () {
    if (!timer && +input.value === pictures.length - 1) show(0);
    play(!timer);
  });
  show(+input.value);
});
