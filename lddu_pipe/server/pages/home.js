/* What is there to be seen. */
const { jobs } = await (await api("/v1/jobs?state=done")).json();
for (const { id, name } of jobs) {
  const link = document.createElement("a");
  link.href = `/annotations/${id}`;
  link.textContent = name;
  const item = document.createElement("li");
  item.append(link);
  document.getElementById("jobs").append(item);
}
