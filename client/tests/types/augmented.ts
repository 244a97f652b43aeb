/** An app adds the rooms and events of its own triggers. */
import { createClient, type EventName, type Room } from "pgbell";
import { useRoom } from "pgbell/react";

declare module "pgbell" {
  interface Rooms {
    film: `film:${string}`;
  }
  interface Events {
    "review:created": true;
  }
}

createClient().subscribe("film:12");
export const room: Room = "film:12";
export const event: EventName = "review:created";
export const useFilm = (id: string) => useRoom(`film:${id}`);
