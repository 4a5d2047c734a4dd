/* What the page shows stands in the page itself. */
const input = JSON.parse(document.getElementById("input").textContent);
