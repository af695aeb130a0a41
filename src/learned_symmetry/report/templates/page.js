"use strict";
const dialog = document.getElementById("dialog");
const body = document.getElementById("dialog-body");
const content = (id) => JSON.parse(document.getElementById(id).textContent);

// ---- what is shown on request ----------------------------------------------------------------------------------------

function make(tag, text, children = []) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

function open(title, ...parts) {
  document.getElementById("dialog-title").textContent = title;
  body.replaceChildren(...parts);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function list(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make("dl", undefined, shown.flatMap(([name, value]) => [make("dt", name), make("dd", undefined, [value])]));
}

const rounded = (value) => Number(value.toPrecision(6));
const spread = ([mean, std]) => (mean === null ? "not run" : `${rounded(mean)}${std === null ? "" : ` ± ${rounded(std)}`}`);

function stageParts(at, name) {
  const [paper, scale] = at.split("/");
  const stage = content(`data:${at}`).stages[name];
  const about = stage.provenance;
  const runs = make("details", undefined, [make("summary", `${stage.runs.length} training runs: parameters and final metrics`)]);
  runs.append(make("pre", stage.runs.map((run) => JSON.stringify(run)).join("\n")));
  const dropped = Object.entries(about.dropped).map(([run, reason]) => `${run}: ${reason}`).join("; ");
  return [
    list([
      ["stage", `${paper}/${name}, ${stage.about}`],
      ["command", make("code", `dvc repro ${stage.target}`)],
      ["runs", make("code", stage.command)],
      ["file", make("code", stage.file)],
      ["data", about.data],
      ["device", `${about.device}, ${about.precision ?? ""}, torch ${about.torch ?? ""}`],
      ["time", stage.seconds === null ? "" : `${stage.seconds} s`],
      ["dropped", dropped],
      ["in MLflow", make("span", undefined, [`experiment ${paper}, run “${name}” of scale ${scale}, which has a child for each training run; search for `, make("code", `tags.result = '${stage.digest}'`)])],
    ]),
    make("p", `Parameters (params.yaml) at scale ${scale}:`),
    make("pre", Object.entries(stage.params).map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join("\n")),
    ...(stage.runs.length ? [runs] : []),
  ];
}

function openMetric(at, name) {
  const metric = content(`data:${at}`).metrics[name];
  const [mean, std, n] = metric.shown;
  const values = metric.values.map((value, seed) => `seed ${seed}: ${value === null ? "dropped" : value}`).join("\n");
  open(
    name,
    list([["ours", `${spread([mean, std])} (mean ± std of ${n})`], ["paper", metric.paper && spread(metric.paper)]]),
    make("pre", values),
    ...stageParts(at, metric.stage),
  );
}

function openArtefact(id, part) {
  const artefact = content(`artefact:${id}`);
  const texts = { data: JSON.stringify(artefact.data, null, 1), script: artefact.source, LaTeX: artefact.latex, Markdown: artefact.markdown };
  const save = make("a", "download");
  const endings = { data: ".json", script: ".py", LaTeX: ".tex", Markdown: ".md" };
  if (part === "command") {
    open(artefact.title, list([["with DVC", make("code", `dvc repro ${artefact.target}`)], ["by itself", make("code", `python ${artefact.script}`)]]));
    return;
  }
  save.href = URL.createObjectURL(new Blob([texts[part]], { type: "text/plain" }));
  save.download = id.replaceAll("/", "-") + endings[part];
  open(`${artefact.title}: ${part}`, make("p", undefined, [save]), make("pre", texts[part]));
}

// ---- which claims are shown ------------------------------------------------------------------------------------------

const filters = [...document.querySelectorAll(".filters button")];
const claims = [...document.querySelectorAll("tr.claim")];
const required = document.getElementById("required");

function filter(verdict) {
  for (const button of filters) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
  for (const claim of claims) {
    const judged = claim.dataset.verdicts.split("|");
    claim.hidden = (verdict !== "" && !judged.includes(verdict)) || (required.checked && "star" in claim.dataset);
  }
  const left = claims.filter((claim) => !claim.hidden).length;
  document.getElementById("left").value = `${left} of ${claims.length} claims`;
}

const pressed = () => filters.find((button) => button.getAttribute("aria-pressed") === "true").dataset.verdict;

document.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
  const button = event.target.closest("button");
  if (!button) return;
  const { verdict, paper, at, metric, stage, artefact, part } = button.dataset;
  if (metric) openMetric(at, metric);
  else if (stage) open(`${at}: ${stage}`, ...stageParts(at, stage));
  else if (artefact) openArtefact(artefact, part);
  else if (verdict !== undefined) {
    filter(verdict);
    if (button.classList.contains("count")) document.getElementById(paper ? `${paper}/claims` : document.querySelector("section").id).scrollIntoView();
  }
});
required.addEventListener("change", () => filter(pressed()));
filter("");
