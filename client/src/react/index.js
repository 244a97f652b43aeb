/**
 * React components in rooms. Nothing here renders again because something was told: a listener does what is to be done,
 * and `pgbell/query` fetches. React 18 and 19.
 *
 * @import { Context, ReactNode } from "react"
 * @import { Client, Listener, RoomState, Status, SubscribeOptions } from "../types.js"
 * @import { Room } from "../catalogue.js"
 */
import { createContext, createElement, useCallback, useContext, useEffect, useRef, useSyncExternalStore } from "react";
import { observe } from "./visible.js";

/** A room, several, or none at the moment. @typedef {import("./types.js").RoomOrRooms} RoomOrRooms */

/** @type {Context<Client | null>} */
const ClientContext = createContext(/** @type {Client | null} */ (null));

/**
 * Gives a client to the components below. Make the client once, outside of components.
 *
 * @param {{client: Client, children?: ReactNode}} props
 */
export const PgbellProvider = ({ client, children }) => createElement(ClientContext.Provider, { value: client }, children);

/** @returns {Client} that of the nearest provider */
export function useClient() {
  const client = useContext(ClientContext);
  if (!client) throw new Error("no <PgbellProvider client={…}> above this component");
  return client;
}

/**
 * Keeps a component in a room, or in several, while it is mounted; in none for null. Rooms are compared by name, so an array
 * may be a new one each time. The listener of the latest render is called.
 *
 * @param {RoomOrRooms} room
 * @param {Listener | null} [listener]
 * @param {SubscribeOptions} [options]
 */
export function useRoom(room, listener, options) {
  const subscribe = useSubscription(room, listener, options);
  useEffect(() => subscribe(), [subscribe]);
}

/**
 * As `useRoom`, but only while an element is on the screen or close to it.
 *
 * @param {RoomOrRooms} room
 * @param {Listener | null} [listener]
 * @param {SubscribeOptions} [options]
 * @returns {(element: Element | null) => void} the `ref` of that element
 */
export function useVisibleRoom(room, listener, options) {
  const subscribe = useSubscription(room, listener, options);
  /** @type {{current: {subscribe?: typeof subscribe, isVisible?: boolean, leave?: void | (() => void), unobserve?: void | (() => void)}}} */
  const { current: state } = useRef({});
  const update = useCallback(() => {
    if (!state.subscribe || !state.isVisible) state.leave = state.leave?.();
    else state.leave ??= state.subscribe();
  }, []);
  useEffect(() => {
    state.subscribe = subscribe;
    update();
    return () => {
      state.subscribe = undefined;
      update();
    };
  }, [subscribe]);
  return useCallback((element) => {
    state.unobserve?.();
    /** @param {boolean} isVisible */
    const onChange = (isVisible) => {
      state.isVisible = isVisible;
      update();
    };
    state.unobserve = element ? observe(element, onChange) : onChange(false);
  }, []);
}

/**
 * What subscribes, and stays the same function while client, rooms and options do.
 *
 * @param {RoomOrRooms} room
 * @param {Listener | null} [listener]
 * @param {SubscribeOptions} [options]
 */
function useSubscription(room, listener, { throttle, since, initial, signal } = {}) {
  const client = useClient();
  // No name of a room has a space in it.
  const names = /** @type {string[]} */ ([]).concat(room ?? []).join(" ");
  const hasListener = !!listener;
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  return useCallback(() => {
    const join = () => client.subscribe(/** @type {Room[]} */ (names.split(" ")), hasListener ? (notice) => latest.current?.(notice) : null, { throttle, since, initial, signal });
    if (!names) return;
    let leave = join();
    // What was subscribed went with the user who did.
    const forget = client.on("user", () => (leave = join()));
    return () => {
      forget();
      leave();
    };
  }, [client, names, hasListener, throttle, since, initial, signal]);
}

/** How the connection stands. @returns {Status} */
export function useConnectionStatus() {
  const client = useClient();
  const subscribe = useCallback((/** @type {() => void} */ listener) => client.onStatusChange(listener), [client]);
  return useSyncExternalStore(subscribe, () => client.getStatus(), () => SERVER_STATUS);
}

/**
 * How a room stands. It does not join the room.
 *
 * @param {Room | null | undefined} room
 * @returns {RoomState}
 */
export function useRoomState(room) {
  const client = useClient();
  const subscribe = useCallback((/** @type {() => void} */ listener) => client.on("room", (name) => name === room && listener()), [client, room]);
  return useSyncExternalStore(subscribe, () => (room ? client.getRoom(room) : SERVER_ROOM), () => SERVER_ROOM);
}

/** What a page says before it runs in a browser. @type {RoomState} */
const SERVER_ROOM = { state: "idle" };

/** @type {Status} */
const SERVER_STATUS = { state: "idle", live: false, lost: false, stale: false, since: 0, attempt: 0, user: null };
