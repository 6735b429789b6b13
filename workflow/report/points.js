/* Names of points by the keyboard: a chart takes the focus once, arrow keys go from point to point,
   and the name stands beside the point, where it is also read out. */
(function () {
  var tip = document.createElement("div"), hint = document.createElement("p");
  tip.className = "tip"; tip.setAttribute("role", "status"); tip.hidden = true;
  hint.className = "hidden"; hint.id = "points-hint"; hint.textContent = "Arrow keys name the points.";
  var main = document.querySelector("main");
  main.appendChild(hint); main.appendChild(tip);
  function title(point) {
    for (var child = point.firstElementChild; child; child = child.nextElementSibling) {
      if (child.tagName === "title") return child.textContent;
    }
    return "";
  }
  var shown = null;
  function show(point) {
    shown = point;
    var box = point.getBoundingClientRect();
    tip.textContent = title(point); tip.hidden = false;
    var left = Math.min(box.right + 8, innerWidth - tip.offsetWidth - 8), top = box.top - tip.offsetHeight - 6;
    tip.style.left = Math.max(8, left) + "px";
    tip.style.top = (top < 4 ? box.bottom + 6 : top) + "px";
  }
  function leave(svg) {
    tip.hidden = true; shown = null;
    [].forEach.call(svg.querySelectorAll(".here"), function (point) { point.classList.remove("here"); });
  }
  [].forEach.call(main.querySelectorAll("svg.chart"), function (svg) {
    var points = [].filter.call(svg.querySelectorAll(".pt, .frame"), title), at = -1;
    if (!points.length) return;
    if (svg.querySelector("a")) {
      /* Points that are links have the focus themselves. */
      points.forEach(function (point) {
        var link = point.closest("a");
        if (!link) return;
        link.addEventListener("focus", function () { point.classList.add("here"); show(point); });
        link.addEventListener("blur", function () { leave(svg); });
      });
      return;
    }
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("aria-describedby", "points-hint");
    svg.addEventListener("keydown", function (event) {
      var step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") { leave(svg); return; }
      if (event.key === "Home") at = 0;
      else if (event.key === "End") at = points.length - 1;
      else if (step) at = at < 0 ? (step > 0 ? 0 : points.length - 1) : (at + step + points.length) % points.length;
      else return;
      event.preventDefault();
      leave(svg); points[at].classList.add("here"); show(points[at]);
    });
    svg.addEventListener("blur", function () { leave(svg); at = -1; });
  });
  addEventListener("scroll", function () { if (shown) show(shown); }, { passive: true });
})();
