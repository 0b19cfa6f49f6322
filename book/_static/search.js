/* What Sphinx's search lacks: excerpts of a page's text alone, without the buttons around it, and the words that
readers of other Englishes, or of other papers, look for. */
(function () {
  "use strict";
  const same = {
    center: "centre", checkerboard: "grain", color: "colour", colors: "colours", gray: "grey", optimizer: "optimiser",
    optimizers: "optimisers", parameterization: "parameterisation", preserve: "keep", visualize: "show",
  };
  const perform = Search.performSearch;
  Search.performSearch = (query) =>
    perform(query.replace(/[a-z]+/gi, (word) => (Object.hasOwn(same, word.toLowerCase()) ? same[word.toLowerCase()] : word)));

  const text = Search.htmlToText;
  Search.htmlToText = (page, anchor) => {
    const parsed = new DOMParser().parseFromString(page, "text/html");
    const main = parsed.querySelector('[role="main"]'), article = parsed.querySelector("article.bd-article");
    if (main && article) main.replaceChildren(article);
    return text(parsed.documentElement.outerHTML, anchor);
  };
})();
