// What `raftkv/storage` exports: stores for an embedded replica, on disk or in memory (docs/embedding.md).

export type { EngineFile, EngineFiles, EngineHome, IncomingFiles } from "./engine-home.ts";
export type { MemberStore } from "./member-store.ts";
export { MemoryRows, openMemoryEngine } from "./memory-engine.ts";
export { openMemberStore } from "./open-member-store.ts";
export { openStoreOver } from "./open-store-over.ts";
export type { StorageEngine } from "./storage-engine.ts";
