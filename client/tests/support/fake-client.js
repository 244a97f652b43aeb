const IDLE = { state: "idle" };

/** A client without a network: tests say when a room is live and what is told there. Rooms are left at once. */
export function createFakeClient() {
  const subscriptions = new Set();
  const listeners = { notice: new Set(), room: new Set(), user: new Set(), status: new Set() };
  const rooms = new Map();
  const held = new Map();
  let status = { state: "connected", live: true, lost: false, user: null };
  const emit = (name, ...detail) => [...listeners[name]].forEach((call) => call(...detail));
  const members = (room) => [...subscriptions].filter((one) => one.rooms.includes(room));
  const set = (room, state) => {
    state === "idle" ? rooms.delete(room) : rooms.set(room, { state, liveSince: held.get(room) });
    emit("room", room, client.getRoom(room));
  };
  const tell = (room, notice) => {
    if (rooms.get(room)?.state !== "live") throw new Error(`${room} is not live`);
    emit("notice", { room, ...notice });
    members(room).forEach((one) => one.listener?.({ room, ...notice }));
  };
  let clock = 0;
  const client = {
    origin: "me",
    subscribe(wanted, listener, options = {}) {
      const one = { rooms: [].concat(wanted), listener, options };
      subscriptions.add(one);
      for (const room of one.rooms) if (!rooms.has(room)) set(room, "joining");
      return () => {
        subscriptions.delete(one);
        for (const room of one.rooms) if (rooms.has(room) && !members(room).length) set(room, "idle");
      };
    },
    getRoom: (room) => rooms.get(room) ?? IDLE,
    getStatus: () => status,
    onStatusChange: (call) => client.on("status", call),
    on(name, call) {
      listeners[name].add(call);
      return () => listeners[name].delete(call);
    },

    /** What a test does in place of the daemon. */
    control: {
      subscriptions,
      listenerCount: () => Object.values(listeners).reduce((sum, all) => sum + all.size, 0),
      rooms: () => [...rooms.keys()].sort(),
      members,
      /** Every room that is asked for, unless some are named. `fresh`: what came before is not known to have been told. */
      live(names = [...rooms.keys()], { fresh = false } = {}) {
        for (const room of [].concat(names)) {
          if (fresh || !held.has(room)) held.set(room, ++clock);
          set(room, "live");
        }
      },
      joining: (room) => set(room, "joining"),
      change(room, change = {}) {
        const [entity, id] = room.split(":");
        const whole = { entity, id, op: "update", events: [`${entity}:updated`], count: 1, at: "", own: false, ...change };
        tell(room, { type: "invalidate", changes: [whole], replayed: false });
      },
      tell,
      resync: (room, spreadMs = 0) => tell(room, { type: "resync", reason: "gap", spreadMs }),
      status(change) {
        status = { ...status, ...change };
        emit("status", status);
      },
      user(user) {
        subscriptions.clear();
        held.clear();
        for (const room of [...rooms.keys()]) set(room, "idle");
        status = { ...status, user };
        emit("user", user);
        emit("status", status);
      },
    },
  };
  return client;
}
