import { sqliteStore } from "edgemint/stores/sqlite";

/** @param {string} path */
export const open = async (path) => sqliteStore(path);
