/** A message, or nothing where there is none. @param {string} text @returns {any} */
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    // Whoever asks says what it means.
  }
}
