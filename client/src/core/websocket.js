/**
 * Messages by WebSocket.
 *
 * @import { ClientMessage } from "../protocol.js"
 */

/**
 * @typedef {object} Link one connection, whichever way messages come
 * @property {(message: ClientMessage) => void} send
 * @property {() => void} close politely; nothing is heard afterwards
 * @property {() => void} [wake] what kept a better way from getting through may be over
 */

/**
 * @typedef {object} Ears what is heard of a link
 * @property {() => void} open
 * @property {(text: any) => void} message
 * @property {(code: number, reason: string) => void} close at most once, and nothing after it
 */

/**
 * @param {string} url
 * @param {new (url: string, protocols?: string) => WebSocket} WebSocket
 * @param {Ears} ears
 * @returns {Link}
 */
export function openWebSocket(url, WebSocket, ears) {
  const socket = new WebSocket(url, "pgbell.v1");
  socket.onopen = ears.open;
  socket.onmessage = ({ data }) => ears.message(data);
  socket.onclose = ({ code, reason }) => ears.close(code, reason);
  // A close follows and tells. But in Node, with package `ws`, an error that nobody listens to ends the process.
  socket.onerror = () => {};
  return {
    send: (message) => socket.readyState === 1 && socket.send(JSON.stringify(message)),
    close() {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    },
  };
}
