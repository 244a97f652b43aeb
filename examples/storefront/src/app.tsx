import { QueryClientProvider } from "@tanstack/react-query";
import { PgbellProvider } from "pgbell/react";
import { Strip } from "./inside/strip";
import { client, queryClient } from "./live";
import { Announcement } from "./shell/announcement";
import { Header } from "./shell/header";
import { Page } from "./shell/page";
import { nameOf, useWho } from "./state/who";
import { Announcer } from "./ui/announcer";
import { Toasts } from "./ui/toasts";

export function App() {
  const who = useWho();
  return (
    <PgbellProvider client={client}>
      <QueryClientProvider client={queryClient}>
        <a className="skip" href="#main" onClick={skip}>
          Skip to content
        </a>
        {!who.leaving && <Shop key={nameOf(who)} />}
        <div className="dock">
          <Toasts />
          <Strip />
        </div>
        <Announcer />
      </QueryClientProvider>
    </PgbellProvider>
  );
}

/** All that belongs to one person. Another one gets another. */
function Shop() {
  return (
    <>
      <Announcement />
      <Header />
      <Page />
    </>
  );
}

/** The address is the router's: a plain link to `#main` would leave the page. */
function skip(event: React.MouseEvent) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}
