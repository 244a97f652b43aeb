/** What the first word of a product's name says it is made of: its colour in light, and in shade. */
export interface Material {
  face: string;
  shade: string;
}

const MATERIALS: Record<string, Material> = {
  Oak: { face: "#c79a5e", shade: "#9c7440" },
  Walnut: { face: "#7d5540", shade: "#573827" },
  Bamboo: { face: "#c5b968", shade: "#988d43" },
  Cork: { face: "#d3ab74", shade: "#a8804c" },
  Steel: { face: "#9db0ba", shade: "#6d828e" },
  Copper: { face: "#d07d4c", shade: "#9f5530" },
  Brass: { face: "#d6ad45", shade: "#a37e22" },
  Granite: { face: "#868b90", shade: "#5d6267" },
  Ceramic: { face: "#f1ece1", shade: "#cbc2b0" },
  Glass: { face: "#a9d6d2", shade: "#74aeaa" },
  Enamel: { face: "#3f7fa6", shade: "#28597a" },
  Leather: { face: "#a2643c", shade: "#744424" },
  Linen: { face: "#dccfb4", shade: "#b5a582" },
  Wool: { face: "#c98f86", shade: "#9d645c" },
  Cotton: { face: "#efe6d8", shade: "#c9bba4" },
};

/** "Nordic", "Travel" and the like are made of whatever colour the shop gave them. */
export const materialOf = (name: string, hue: number): Material =>
  MATERIALS[name.split(" ")[0] ?? ""] ?? {
    face: `oklch(0.66 0.12 ${hue + 160})`,
    shade: `oklch(0.5 0.11 ${hue + 160})`,
  };
