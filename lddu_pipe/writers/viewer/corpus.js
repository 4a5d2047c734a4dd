/* A table of annotated files: sorted by any column, filtered by name, thousands of rows long.
 *
 * A row has `name`, `state` ("done", "failed", "waiting"), `error`, `duration` (s, 0: no time),
 * `utterances`, `abstained`, `present` by label and `missing` by modality; the last four count
 * utterances, and are wanted where it is done.
 */
import { MODALITIES, clockFace, coloursOf, make, percent } from "./base.js";

const FIRST_ROWS = 60; // built at once: more than a screen holds
const ROWS_A_TURN = 150; // built at a time after them, so that the page answers meanwhile
const STATES = ["failed", "waiting", "done"];

const inOrder = new Intl.Collator("en", { numeric: true });
export const counted = new Intl.NumberFormat("en");
export const amount = (number, one, many = `${one}s`) =>
  `${counted.format(number)} ${number === 1 ? one : many}`;

/* A name as it can be read: what turns the writing direction or cannot be seen is marked. */
export function legible(name) {
  return name.replace(/[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/gu, "\ufffd");
}

/**
 * The share of a row's utterances, null where it has none.
 * @param {any} row
 * @param {number} count
 * @returns {number | null}
 */
function shareOf(row, count) {
  return row.state === "done" && row.utterances ? count / row.utterances : null;
}

/* Modalities that utterances lack, with the share of those that do. */
function missingFrom(row) {
  return MODALITIES.map((name) => ({ name, share: shareOf(row, row.missing?.[name] ?? 0) ?? 0 }))
    .filter(({ share }) => share);
}

function shareColumn(key, name, count, details) {
  return {
    key,
    name,
    width: "minmax(4.8rem, 7rem)",
    value: (row) => shareOf(row, count(row)),
    fill(cell, row) {
      const share = shareOf(row, count(row));
      cell.textContent = share === null ? "–" : percent(share);
      cell.classList.add("share");
      cell.classList.toggle("is-none", !share);
      if (share) cell.style.setProperty("--share", share);
    },
    ...details,
  };
}

const STATE = {
  key: "state",
  name: "State",
  width: "5rem",
  isAlways: true,
  value: ({ state }) => STATES.indexOf(state),
  fill(cell, { state }) {
    cell.append(make("span", { class: `mark is-${state}` }, state));
  },
};

export class CorpusTable {
  /* `place` is filled. `labels` are in order; `linkOf` gives the URL of a row, null where it has
   * none; `keyOf` tells rows apart over several `show`. `columns` come last, as STATE does: `value`
   * sorts (null comes last), `fill` gets the cell, and where `isAlways` rows that are not done have
   * one, too. `actions` gives the buttons of a row. `first` is the key of the column sorted by at
   * first. */
  constructor(place, options) {
    const { labels, linkOf, keyOf, columns = [STATE], actions = null, first = "name" } = options;
    this.linkOf = linkOf;
    this.keyOf = keyOf ?? (({ name }) => name);
    this.actions = actions;
    /** @type {any[]} */
    this.rows = [];
    this.built = new Map(); // by key: what the row was told as, and its element
    this.turn = 0;
    this.columns = this.columnsOf(labels, columns);
    const column = this.columns.find(({ key }) => key === first);
    this.sorting = { column, descending: Boolean(column.largestFirst) };
    this.filter = make("input", { type: "search", placeholder: "Part of a name" });
    this.failures = make("input", { type: "checkbox" });
    this.status = make("p", { class: "quiet", role: "status" });
    this.order = make("select", {});
    this.direction = make("button", { type: "button" });
    this.failuresLabel = make("label", { class: "check" }, this.failures, "failures only");
    this.heads = new Map(this.columns.map((column) => [column, this.head(column)]));
    this.body = make("tbody", { role: "rowgroup" });
    this.table = make("table", { role: "table", "aria-label": "Files" });
    this.scroller = make("div", { class: "corpus-place" }, this.table);
    this.build(place);
  }

  columnsOf(labels, further) {
    const colours = coloursOf(labels);
    const number = { isNumber: true, largestFirst: true };
    return [
      {
        key: "name",
        name: "File",
        width: "minmax(13rem, 1fr)",
        value: ({ name }) => name,
        fill: (cell, row) => cell.append(this.nameOf(row)),
      },
      {
        key: "duration",
        name: "Length",
        width: "4.2rem",
        value: (row) => (row.state === "done" && row.duration) || null,
        fill(cell, { duration }) {
          cell.textContent = duration ? clockFace(duration) : "–";
        },
        ...number,
      },
      {
        key: "utterances",
        name: "Utterances",
        width: "6.2rem",
        value: ({ state, utterances }) => (state === "done" ? utterances : null),
        fill(cell, { utterances }) {
          cell.textContent = counted.format(utterances);
        },
        ...number,
      },
      shareColumn("abstained", "Abstained", ({ abstained }) => abstained, {
        ...number,
        width: "minmax(5.4rem, 7rem)",
      }),
      ...labels.map((label) =>
        shareColumn(`label ${label}`, label, ({ present }) => present?.[label] ?? 0, {
          colour: colours.get(label),
          ...number,
        }),
      ),
      {
        key: "missing",
        name: "Without",
        width: "minmax(5.6rem, 9rem)",
        value: (row) =>
          shareOf(row, 1) === null
            ? null
            : missingFrom(row).reduce((sum, { share }) => sum + share, 0),
        fill(cell, row) {
          const words = missingFrom(row).map(({ name, share }) =>
            share === 1 ? name : `${name} ${percent(share)}`,
          );
          cell.textContent = words.join(", ") || "–";
          cell.classList.toggle("is-none", !words.length);
        },
        largestFirst: true,
      },
      ...further,
    ];
  }

  build(place) {
    this.order.append(
      ...this.columns.map(({ key, name }) => make("option", { value: key }, name)),
    );
    const last = this.actions ? [make("th", { role: "columnheader" }, unseen("Actions"))] : [];
    const heads = make("tr", { role: "row" }, ...this.heads.values(), ...last);
    this.table.append(make("thead", { role: "rowgroup" }, heads), this.body);
    const widths = this.columns.map(({ width }) => width);
    if (this.actions) widths.push("minmax(2.5rem, max-content)");
    this.table.style.setProperty("--columns", widths.join(" "));
    const sortBy = make("label", {}, "Sort by ", this.order);
    place.classList.add("corpus");
    place.append(
      make(
        "div",
        { class: "corpus-tools" },
        make("label", { class: "find" }, unseen("Filter by name"), this.filter),
        this.failuresLabel,
        make("span", { class: "ordering" }, sortBy, this.direction),
        this.status,
      ),
      this.scroller,
    );
    this.filter.addEventListener("input", () => this.refresh());
    this.failures.addEventListener("change", () => this.refresh());
    this.order.addEventListener("change", () => {
      this.sortBy(this.columns.find(({ key }) => key === this.order.value));
    });
    this.direction.addEventListener("click", () => this.sortBy(this.sorting.column));
    // A table that is too wide scrolls in a box of its own; else the page does, and its head stays.
    new ResizeObserver(() => this.fit()).observe(place);
  }

  head(column) {
    const button = make("button", { type: "button", title: `Sort by ${column.name}` });
    button.append(make("span", { class: "head-name" }, make("bdi", {}, legible(column.name))));
    button.append(make("span", { class: "arrow", "aria-hidden": "true" }));
    button.addEventListener("click", () => this.sortBy(column));
    const kind = column.isNumber ? "number" : null;
    const head = make("th", { role: "columnheader", class: kind }, button);
    if (column.colour) head.style.setProperty("--colour", column.colour);
    return head;
  }

  /* Show these rows, in the order and under the filter that the reader chose. */
  show(rows) {
    this.rows = rows;
    const failed = rows.filter(({ state }) => state === "failed").length;
    this.failuresLabel.hidden = !failed && !this.failures.checked;
    const keys = new Set(rows.map(this.keyOf));
    for (const key of this.built.keys()) if (!keys.has(key)) this.built.delete(key);
    this.refresh();
  }

  showFailures() {
    this.failures.checked = true;
    this.filter.value = "";
    this.refresh();
  }

  sortBy(column) {
    const same = this.sorting.column === column;
    const descending = same ? !this.sorting.descending : Boolean(column.largestFirst);
    this.sorting = { column, descending };
    this.refresh();
  }

  chosen() {
    const words = this.filter.value.toLowerCase().split(/\s+/);
    const { column, descending } = this.sorting;
    const way = descending ? -1 : 1;
    return this.rows
      .filter(
        ({ name, state }) =>
          (!this.failures.checked || state === "failed") &&
          words.every((word) => name.toLowerCase().includes(word)),
      )
      .map((row) => ({ row, value: column.value(row) }))
      .sort((one, other) => way * compared(one.value, other.value, way) || byName(one, other))
      .map(({ row }) => row);
  }

  refresh() {
    const { column, descending } = this.sorting;
    for (const [other, head] of this.heads) {
      if (other !== column) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    }
    this.order.value = column.key;
    this.direction.textContent = descending ? "↓" : "↑";
    this.direction.setAttribute("aria-label", descending ? "descending" : "ascending");
    const chosen = this.chosen();
    const all = amount(this.rows.length, "file");
    this.status.textContent =
      chosen.length === this.rows.length ? all : `${counted.format(chosen.length)} of ${all}`;
    this.table.hidden = !chosen.length;
    this.fill(chosen);
  }

  /* Put the rows in place: what a screen shows now, the others in turns after it. */
  fill(rows) {
    clearTimeout(this.turn);
    const active = /** @type {HTMLElement | null} */ (document.activeElement);
    const focused = this.body.contains(active) ? active : null;
    const at = { next: 0 };
    const add = (count) => {
      const some = rows.slice(at.next, at.next + count);
      at.next += count;
      this.body.append(...some.map((row) => this.elementOf(row)));
    };
    this.body.replaceChildren();
    add(rows.every((row) => this.isBuilt(row)) ? rows.length : FIRST_ROWS);
    const go = () => {
      if (at.next >= rows.length) return;
      add(ROWS_A_TURN);
      this.turn = setTimeout(go);
    };
    this.turn = setTimeout(go);
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    this.fit();
  }

  isBuilt(row) {
    return this.built.get(this.keyOf(row))?.told === JSON.stringify(row);
  }

  elementOf(row) {
    const key = this.keyOf(row);
    if (!this.isBuilt(row)) {
      this.built.set(key, { told: JSON.stringify(row), element: this.buildRow(row) });
    }
    return this.built.get(key).element;
  }

  buildRow(row) {
    const [first, ...others] = this.columns;
    const element = make("tr", { role: "row" }, this.cell(first, row));
    if (row.state === "done") {
      element.append(...others.map((column) => this.cell(column, row)));
    } else {
      const spanned = others.filter(({ isAlways }) => !isAlways);
      const words = row.error ?? (row.state === "failed" ? "no reason is known" : "not done yet");
      const cell = make(
        "td",
        { role: "cell", class: `why is-${row.state}`, "aria-colspan": spanned.length },
        make("bdi", {}, legible(words)),
      );
      cell.style.gridColumn = `span ${spanned.length}`;
      element.append(cell);
      const kept = others.filter(({ isAlways }) => isAlways);
      element.append(...kept.map((column) => this.cell(column, row)));
    }
    if (this.actions) {
      element.append(make("td", { role: "cell", class: "actions" }, ...this.actions(row)));
    }
    return element;
  }

  cell(column, row) {
    const isName = column.key === "name";
    const cell = make(isName ? "th" : "td", {
      role: isName ? "rowheader" : "cell",
      class: column.isNumber ? "number" : column.key,
      "data-name": column.name,
    });
    if (column.colour) cell.style.setProperty("--colour", column.colour);
    column.fill(cell, row);
    return cell;
  }

  /* Folders before the name itself, which leads to the annotation. */
  nameOf(row) {
    const name = legible(row.name);
    const at = name.lastIndexOf("/") + 1;
    const folders = at ? [make("bdi", { class: "folders" }, name.slice(0, at))] : [];
    const own = make("bdi", { class: "own-name" }, name.slice(at));
    const link = this.linkOf(row);
    return link === null
      ? make("span", {}, ...folders, own)
      : make("a", { href: link }, ...folders, own);
  }

  fit() {
    const isWide = this.table.offsetWidth > this.scroller.clientWidth + 1;
    this.scroller.classList.toggle("is-wide", isWide);
    if (isWide) {
      this.scroller.tabIndex = 0;
      this.scroller.setAttribute("role", "region");
      this.scroller.setAttribute("aria-label", "Table of files, scrolls sideways");
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) this.scroller.removeAttribute(name);
    }
  }
}

/* Which of two values comes first; what has none comes last, whichever way the others go. */
function compared(one, other, way) {
  if (one === null || other === null) return way * (Number(one === null) - Number(other === null));
  return typeof one === "string" ? inOrder.compare(one, other) : one - other;
}

function byName(one, other) {
  return inOrder.compare(one.row.name, other.row.name);
}

export function unseen(text) {
  return make("span", { class: "unseen" }, text);
}
