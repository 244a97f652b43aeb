/**
 * Several notices of one room as one. Folds as the daemon does: see "A change" in docs/protocol.md. Without clock.
 *
 * @import { Notice, NoticedChange } from "../types.js"
 */

/**
 * What leads from before `first` to after `later`.
 *
 * @param {NoticedChange} first
 * @param {NoticedChange} later
 * @returns {NoticedChange}
 */
export function foldChanges(first, later) {
  const { origin, old, new: latest, ...known } = first;
  return {
    ...known,
    op: later.op === "delete" ? "delete" : first.op === "insert" ? "insert" : "update",
    events: [...new Set([...first.events, ...later.events])],
    count: first.count + later.count,
    at: Date.parse(later.at) < Date.parse(first.at) ? later.at : first.at,
    own: first.own && later.own,
    ...((old || later.old) && { old: { ...later.old, ...old } }),
    ...((latest || later.new) && { new: { ...latest, ...later.new } }),
    ...(origin !== undefined && origin === later.origin && { origin }),
  };
}

/** Takes notices in, and gives one back that tells the same. A resync absorbs what was to be listed. */
export function createFold() {
  /** @type {Extract<Notice, {type: "invalidate" | "resync"}> | undefined} */
  let first;
  /** @type {Map<string, NoticedChange>} */
  const changes = new Map();
  let replayed = true;
  return {
    isEmpty: () => !first,

    /** @param {Extract<Notice, {type: "invalidate" | "resync"}>} notice */
    add(notice) {
      if (first?.type === "resync") return;
      if (notice.type === "resync") {
        changes.clear();
        first = notice;
        return;
      }
      first ??= notice;
      replayed &&= notice.replayed;
      for (const change of notice.changes) {
        const key = `${change.entity}\n${change.id}`;
        const known = changes.get(key);
        changes.set(key, known ? foldChanges(known, change) : change);
      }
    },

    /** @returns {Extract<Notice, {type: "invalidate" | "resync"}> | undefined} */
    take() {
      const notice = first?.type === "invalidate" ? { ...first, changes: [...changes.values()], replayed } : first;
      first = undefined;
      replayed = true;
      changes.clear();
      return notice;
    },
  };
}
