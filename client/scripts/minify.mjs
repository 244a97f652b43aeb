/** As small as it gets: esbuild puts the modules together, terser makes them small. */
import { basename } from "node:path";
import { build } from "esbuild";
import { minify } from "terser";

/**
 * The files of a bundle: its code, and its source map.
 *
 * @param {import("esbuild").BuildOptions} options
 * @returns {Promise<{path: string, text: string}[]>}
 */
export async function bundle(options) {
  const { outputFiles } = await build({ ...options, write: false });
  const { path, text } = outputFiles.find(({ path }) => path.endsWith(".js"));
  const [content] = outputFiles.flatMap((file) => (file.path.endsWith(".map") ? file.text : []));
  const { code, map } = await minify(text, {
    module: options.format === "esm",
    compress: { passes: 3, hoist_funs: true, ecma: 2020, pure_getters: true },
    format: { comments: /^!/ },
    sourceMap: content && { content, includeSources: true, filename: basename(path), url: `${basename(path)}.map` },
  });
  return [{ path, text: `${code}\n` }, ...(map ? [{ path: `${path}.map`, text: `${map}\n` }] : [])];
}
