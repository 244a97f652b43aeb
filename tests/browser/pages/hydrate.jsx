// Comes from the server with its HTML and its data, and is taken over by the browser.

import { StrictMode } from "react";
import { hydrateRoot } from "react-dom/client";

import { App, setUp } from "./app.jsx";

const told = JSON.parse(document.getElementById("told").textContent);
const parts = setUp(told);
Object.assign(window, parts, { recovered: [] });
const options = { onRecoverableError: (error) => window.recovered.push(String(error)) };
hydrateRoot(document.getElementById("root"), <StrictMode><App {...parts} id={told.id} /></StrictMode>, options);
