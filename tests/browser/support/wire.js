// What a page and the daemon say to each other, overheard in the browser.

/** Call before the page opens its socket. */
export function overhear(page) {
  const wire = { sockets: 0, open: 0, sent: [], received: [] };
  const read = (into) => ({ payload }) => into.push({ at: Date.now(), ...JSON.parse(payload) });
  page.on("websocket", (socket) => {
    wire.sockets += 1;
    wire.open += 1;
    socket.on("framesent", read(wire.sent));
    socket.on("framereceived", read(wire.received));
    socket.on("close", () => (wire.open -= 1));
  });
  /** Whether the page has said nothing for a while: what it wants to join and to ask, it has, and has been answered. */
  wire.isQuiet = () => Date.now() - Math.max(...[...wire.sent, ...wire.received].map(({ at }) => at)) > 300;
  wire.said = (...types) => wire.sent.filter(({ type }) => types.includes(type));
  wire.heard = (type, room) => wire.received.filter((m) => m.type === type && (!room || m.room === room));
  /** The rooms of the last socket, as the daemon has them. */
  wire.rooms = () => {
    const rooms = new Set();
    for (const { type, rooms: named } of wire.said("subscribe", "unsubscribe")) {
      for (const room of named) type === "subscribe" ? rooms.add(room) : rooms.delete(room);
    }
    return rooms;
  };
  return wire;
}
