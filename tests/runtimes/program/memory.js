import { memoryStore } from "edgemint/stores/memory";

export const open = async () => memoryStore();
