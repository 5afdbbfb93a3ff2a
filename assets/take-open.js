// Reads the settings out of a file that was saved here, in the page: the file itself goes nowhere. Nothing in it is trusted; the
// server checks the settings again. PNG: the text chunk of exports.save_png. Safetensors: the head of Trajectory.save. Or plain JSON.
const CHUNK_NAME = "layered-diffusion";
const MOST_FILE = 64 * 2 ** 20; // bytes of a PNG
const MOST_HEAD = 8 * 2 ** 20; // bytes of a trajectory's head: 250 steps take about 1 MB
const MOST_TEXT = 2 ** 18; // bytes of settings: a sweep's hold all its prompts
const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const words = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

class Problem extends Error {} // its message is a name that the server knows a sentence for

async function settingsOf(file) {
  const start = new Uint8Array(await file.slice(0, 16).arrayBuffer());
  if (SIGNATURE.every((byte, i) => start[i] === byte)) {
    if (file.size > MOST_FILE) throw new Problem("large");
    return fromPng(await file.arrayBuffer());
  }
  if (/\.safetensors$/i.test(file.name)) return fromTrajectory(file);
  if (!/\.json$/i.test(file.name) && file.type !== "application/json") throw new Problem("type");
  if (file.size > MOST_TEXT) throw new Problem("large");
  return words(await file.arrayBuffer());
}

async function fromPng(buffer) {
  const view = new DataView(buffer);
  for (let at = SIGNATURE.length; ; ) {
    if (at + 12 > buffer.byteLength) throw new Problem("broken");
    const size = view.getUint32(at), type = String.fromCharCode(...new Uint8Array(buffer, at + 4, 4));
    if (at + 12 + size > buffer.byteLength) throw new Problem("broken");
    if (type === "iTXt") {
      const text = await fromChunk(new Uint8Array(buffer, at + 8, size));
      if (text !== null) return text;
    }
    if (type === "IEND") throw new Problem("plain");
    at += 12 + size;
  }
}

// keyword 0, compressed 0 or 1, method, language 0, translated keyword 0, text
async function fromChunk(chunk) {
  const end = chunk.indexOf(0);
  if (end < 0 || String.fromCharCode(...chunk.subarray(0, end)) !== CHUNK_NAME) return null;
  const language = chunk.indexOf(0, end + 3), translated = chunk.indexOf(0, language + 1);
  if (language < 0 || translated < 0) throw new Problem("broken");
  const text = chunk.subarray(translated + 1);
  if (text.length > MOST_TEXT) throw new Problem("large");
  return words(chunk[end + 1] ? await inflate(text) : text);
}

async function inflate(bytes) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts = [];
  for (let size = 0; ; ) {
    const { value, done } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    size += value.length;
    if (size > MOST_TEXT) throw new Problem("large"); // a few bytes can unpack to any length
    parts.push(value);
  }
}

async function fromTrajectory(file) {
  const size = Number(new DataView(await file.slice(0, 8).arrayBuffer()).getBigUint64(0, true));
  if (size > MOST_HEAD || size + 8 > file.size) throw new Problem("broken");
  const head = JSON.parse(words(await file.slice(8, 8 + size).arrayBuffer()));
  if (head.__metadata__?.format !== "layered-diffusion-trajectory") throw new Problem("type");
  const { prompt, model, config } = JSON.parse(head.__metadata__.run);
  return JSON.stringify({ ...config, prompt, model });
}
