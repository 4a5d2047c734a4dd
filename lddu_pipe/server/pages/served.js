/* What the page shows is asked for: the annotation that the address names, and a link to its media. */
import { api } from "./door.js";

export const itemId = location.pathname.split("/").pop();
export const itemPath = `/v1/annotations/${encodeURIComponent(itemId)}`;

async function askForMedia() {
  return (await api(`${itemPath}/media`, { method: "POST" })).json();
}

/* What kind of media was annotated; it may not be there any more. */
function kindOf({ duration, has_audio: hasAudio, has_video: hasVideo }) {
  if (!duration) return hasVideo ? "picture" : "none";
  return hasVideo ? "video" : hasAudio ? "audio" : "none";
}

async function fetchInput() {
  const annotation = await (await api(itemPath)).json();
  const name = annotation.media.path.split("/").pop() || "text";
  const kind = kindOf(annotation.media);
  const isLive = kind !== "none" && !annotation.media.sha256;
  const media =
    kind === "none"
      ? { kind }
      : isLive
      ? { kind, absent: "It was a live session, of which no sound and no picture is kept." }
      : await askForMedia().catch((refusal) => ({ kind, absent: refusal.message }));
  const renew = async () => (await askForMedia()).url;
  return {
    ...JSON.parse(document.getElementById("input").textContent),
    annotation,
    media: { kind: media.kind, link: media.url, name, absent: media.absent, renew },
  };
}

export const input = await fetchInput().catch((refusal) => {
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.setAttribute("role", "alert");
  notice.textContent = `This annotation cannot be shown: ${refusal.message}`;
  document.querySelector("main").replaceChildren(notice);
  throw refusal;
});
document.title = input.media.name;
