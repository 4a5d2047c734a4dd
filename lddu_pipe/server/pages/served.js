/* What the page shows is asked for: the annotation that the address names, and a link to its media. */
const itemId = location.pathname.split("/").pop();
const itemPath = `/v1/annotations/${encodeURIComponent(itemId)}`;

async function fetchInput() {
  const annotation = await (await api(itemPath)).json();
  const name = annotation.media.path.split("/").pop() || "text";
  const media = await api(`${itemPath}/media`, { method: "POST" })
    .then((answer) => answer.json())
    .catch((refusal) => ({ kind: "none", url: "", absent: refusal.message }));
  return {
    ...JSON.parse(document.getElementById("input").textContent),
    annotation,
    media: { kind: media.kind, link: media.url, name, absent: media.absent },
  };
}

const input = await fetchInput().catch((refusal) => {
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.setAttribute("role", "alert");
  notice.textContent = `This annotation cannot be shown: ${refusal.message}`;
  document.querySelector("main").replaceChildren(notice);
  throw refusal;
});
document.title = input.media.name;
