/**
 * Several notices of one room as one. Folds as the daemon does: see "A change" in docs/protocol.md. Without clock.
 *
 * @import { Notice, NoticedChange } from "../types.js"
 */

/** What is told of changes. @typedef {Extract<Notice, {type: "invalidate" | "resync"}>} Told */

/**
 * What leads from before `first` to after `later`.
 *
 * @param {NoticedChange} first
 * @param {NoticedChange} later
 * @returns {NoticedChange}
 */
export function foldChanges(first, later) {
  /** @type {NoticedChange} */
  const both = {
    ...first,
    op: later.op === "delete" ? later.op : first.op === "insert" ? first.op : "update",
    events: [...new Set([...first.events, ...later.events])],
    count: first.count + later.count,
    at: Date.parse(later.at) < Date.parse(first.at) ? later.at : first.at,
    own: first.own && later.own,
  };
  if (later.old) both.old = { ...later.old, ...first.old };
  if (later.new) both.new = { ...first.new, ...later.new };
  if (first.origin !== later.origin) delete both.origin;
  return both;
}

/** Takes notices in, and gives one back that tells the same. A resync absorbs what was to be listed. */
export function createFold() {
  /** @type {Told | undefined} */
  let first;
  let replayed = true;
  /** @type {Map<string, NoticedChange>} */
  const changes = new Map();
  return {
    /** @param {Told} notice */
    add(notice) {
      if (notice.type === "resync") first = first?.type === "resync" ? first : notice;
      else {
        first ??= notice;
        replayed &&= notice.replayed;
        for (const change of notice.changes) {
          const key = `${change.entity}\n${change.id}`;
          const known = changes.get(key);
          changes.set(key, known ? foldChanges(known, change) : change);
        }
      }
    },

    /** @returns {Told | undefined} */
    take() {
      const notice = first?.type === "invalidate" ? { ...first, changes: [...changes.values()], replayed } : first;
      first = undefined;
      replayed = true;
      changes.clear();
      return notice;
    },
  };
}
