// Renders ./app.jsx on the server: standard input has what the page is told, standard output gets its HTML.

import { renderToString } from "react-dom/server";

import { App, setUp } from "./app.jsx";

let input = "";
for await (const part of process.stdin) input += part;
const told = JSON.parse(input);
const parts = setUp(told);
process.stdout.write(renderToString(<App {...parts} id={told.id} />));
