// Spectrograms: columns of bytes as pixels, in the colours of the theme.

const DARK = ["#0b1012", "#123a45", "#1d7a75", "#8fc46b", "#ffe9a8"];
const LIGHT = ["#fbfaf7", "#cfe6df", "#5fb3a3", "#1f6f78", "#10243a"];
const isDark = matchMedia("(prefers-color-scheme: dark)");

function palette() {
  const stops = (isDark.matches ? DARK : LIGHT).map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const colours = new Uint8ClampedArray(256 * 4);
  for (let value = 0; value < 256; value++) {
    const place = (value / 255) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    for (let channel = 0; channel < 3; channel++) {
      colours[value * 4 + channel] = stops[low][channel] + (place - low) * (stops[low + 1][channel] - stops[low][channel]);
    }
    colours[value * 4 + 3] = 255;
  }
  return colours;
}

// `width` columns of `rows` values, lowest frequency first; the newest is at the right.
export class Picture {
  constructor(canvas, width, rows) {
    this.canvas = canvas;
    this.width = width;
    this.rows = rows;
    this.values = new Uint8Array(width * rows);
    this.store = document.createElement("canvas");
    this.store.width = width;
    this.store.height = rows;
    this.next = 0;
    this.colours = palette();
    this.due = false;
    isDark.addEventListener("change", () => { this.colours = palette(); this.repaint(); });
    new ResizeObserver(() => this.show()).observe(canvas);
    this.repaint();
  }

  push(bytes) {
    for (let at = 0; at < bytes.length; at += this.rows) {
      this.values.set(bytes.subarray(at, at + this.rows), this.next * this.rows);
      this.paint(this.next, 1);
      this.next = (this.next + 1) % this.width;
    }
    this.show();
  }

  clear() {
    this.values.fill(0);
    this.repaint();
  }

  paint(first, count) {
    const image = new ImageData(count, this.rows);
    for (let column = 0; column < count; column++) {
      for (let row = 0; row < this.rows; row++) {
        const value = this.values[(first + column) * this.rows + row];
        const at = ((this.rows - 1 - row) * count + column) * 4;
        image.data.set(this.colours.subarray(value * 4, value * 4 + 4), at);
      }
    }
    this.store.getContext("2d").putImageData(image, first, 0);
  }

  repaint() {
    this.paint(0, this.width);
    this.show();
  }

  show() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      const ratio = devicePixelRatio || 1;
      const width = Math.round(this.canvas.clientWidth * ratio), height = Math.round(this.canvas.clientHeight * ratio);
      if (!width || !height) return;
      if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
      const context = this.canvas.getContext("2d");
      const part = (this.width - this.next) / this.width;
      context.drawImage(this.store, this.next, 0, this.width - this.next, this.rows, 0, 0, part * width, height);
      if (this.next) context.drawImage(this.store, 0, 0, this.next, this.rows, part * width, 0, width - part * width, height);
    });
  }
}

export function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// Magnitudes of a real signal's spectrum at one place, by a radix-2 FFT.
function spectrum(real, imaginary) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [real[i], real[j]] = [real[j], real[i]];
  }
  for (let size = 2; size <= n; size <<= 1) {
    const step = (-2 * Math.PI) / size;
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < size / 2; k++) {
        const a = start + k, b = a + size / 2, c = Math.cos(step * k), s = Math.sin(step * k);
        const x = real[b] * c - imaginary[b] * s, y = real[b] * s + imaginary[b] * c;
        real[b] = real[a] - x; imaginary[b] = imaginary[a] - y;
        real[a] += x; imaginary[a] += y;
      }
    }
  }
}

export const clipPicture = (canvas) => new Picture(canvas, 480, 96);

// Draw a clip's samples over all of a picture: 512 samples per column, frequencies on a scale that is as the ear's.
export function drawClip(picture, samples, rate) {
  const size = 512, { rows, width } = picture;
  const bytes = new Uint8Array(width * rows);
  const mel = (hz) => Math.log1p(hz / 700), top = mel(rate / 2);
  for (let column = 0; column < width; column++) {
    const start = Math.max(0, Math.round((column / width) * (samples.length - size)));
    const real = new Float32Array(size), imaginary = new Float32Array(size);
    for (let i = 0; i < size; i++) real[i] = (samples[start + i] || 0) * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
    spectrum(real, imaginary);
    for (let row = 0; row < rows; row++) {
      const bin = (edge) => (700 * Math.expm1((top * edge) / rows) * size) / rate;
      let power = 0;
      const first = Math.max(1, Math.floor(bin(row))), last = Math.max(first, Math.min(size / 2 - 1, Math.floor(bin(row + 1))));
      for (let k = first; k <= last; k++) power = Math.max(power, real[k] ** 2 + imaginary[k] ** 2);
      bytes[column * rows + row] = Math.max(0, Math.min(255, (10 * Math.log10(power + 1e-9) + 50) * (255 / 80)));
    }
  }
  picture.push(bytes);
}
