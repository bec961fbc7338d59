for (const head of document.querySelectorAll("th")) head.addEventListener("click", () => {
  const table = head.closest("table"), body = table.tBodies[0];
  const down = head.getAttribute("aria-sort") === "ascending";
  const place = [...head.parentNode.children].indexOf(head);
  const value = row => {
    const text = row.children[place].dataset.value;
    return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
  };
  const rows = [...body.rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    const order = x < y ? -1 : x > y ? 1 : 0;
    return down ? -order : order;
  });
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  body.append(...rows);
});
