/**
 * Messages by WebSocket.
 *
 * @import { ClientMessage } from "../protocol.js"
 */

/**
 * @typedef {object} Link one connection, whichever way messages come
 * @property {(message: ClientMessage) => void} send
 * @property {(code: number) => void} close says goodbye; nothing is heard afterwards
 */

/**
 * @typedef {object} Ears what is heard of a link
 * @property {() => void} open
 * @property {(text: unknown) => void} message
 * @property {(code: number, reason: string) => void} close at most once, and nothing after it
 */

const SUBPROTOCOL = "pgbell.v1";

/**
 * @param {string} url
 * @param {new (url: string, protocols?: string) => WebSocket} WebSocket
 * @param {Ears} ears
 * @returns {Link}
 */
export function openWebSocket(url, WebSocket, ears) {
  const socket = new WebSocket(url, SUBPROTOCOL);
  let isOver = false;
  /** @type {<E>(hear: (event: E) => void) => (event: E) => void} */
  const unlessOver = (hear) => (event) => {
    if (!isOver) hear(event);
  };
  socket.onopen = unlessOver(() => ears.open());
  socket.onmessage = unlessOver((event) => ears.message(event.data));
  socket.onclose = unlessOver((event) => {
    isOver = true;
    ears.close(event.code, event.reason);
  });
  return {
    send(message) {
      if (!isOver && socket.readyState === 1) socket.send(JSON.stringify(message));
    },
    close(code) {
      if (isOver) return;
      isOver = true;
      socket.close(code);
    },
  };
}
