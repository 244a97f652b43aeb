/* pgbell client: built by `npm run build` in client/. */
