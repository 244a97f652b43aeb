import { client, queryClient } from "./live";

/* For the console of the browser's developer tools, and for the browser tests. */
Object.assign(window, { __pgbell: client, __queries: queryClient });
