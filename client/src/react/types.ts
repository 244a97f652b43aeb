import type { Room } from "../catalogue.js";

/** A room, several, or none at the moment. */
export type RoomOrRooms = Room | readonly Room[] | null | undefined;
