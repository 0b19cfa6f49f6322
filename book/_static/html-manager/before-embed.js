// The widget manager looks for its fonts here; embed.js is loaded right after.
window.__jupyter_widgets_assets_path__ = document.currentScript.src.replace(/[^/]*$/, "");

// It typesets labels with MathJax 2; the book has MathJax 3. This listener runs before that of embed.js.
window.addEventListener("load", function () {
  if (!window.MathJax || MathJax.Hub) return;
  MathJax.Hub = {
    Queue: function (job) {
      MathJax.startup.promise.then(function () { return MathJax.typesetPromise([job[2]]); });
    },
  };
});
