import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";

/** A file as it was compiled, and what it imports. */
export interface DescriptorFile {
  readonly name: string;
  /** The encoded google.protobuf.FileDescriptorProto, byte for byte as the compiler wrote it. */
  readonly bytes: Uint8Array;
  readonly imports: readonly string[];
}

/** Where everything that a set of files declares is declared; names are fully qualified, without a leading dot. */
export interface DescriptorIndex {
  readonly services: readonly string[];
  readonly fileByName: ReadonlyMap<string, DescriptorFile>;
  readonly fileBySymbol: ReadonlyMap<string, DescriptorFile>;
  /** By extended message, then by field number. An extended message without known extensions has an empty map. */
  readonly extensions: ReadonlyMap<string, ReadonlyMap<number, DescriptorFile>>;
}

interface Builder {
  readonly services: string[];
  readonly fileByName: Map<string, DescriptorFile>;
  readonly fileBySymbol: Map<string, DescriptorFile>;
  readonly extensions: Map<string, Map<number, DescriptorFile>>;
}

/** Indexes an encoded google.protobuf.FileDescriptorSet. */
export function indexDescriptors(fileDescriptorSet: Uint8Array): DescriptorIndex {
  const builder: Builder = {
    services: [],
    fileByName: new Map(),
    fileBySymbol: new Map(),
    extensions: new Map(),
  };
  for (const bytes of filesOfSet(fileDescriptorSet)) addFile(builder, bytes);
  builder.services.sort();
  return builder;
}

/** The files of a set as they stand in it: decoding and encoding them again could change them. */
function filesOfSet(fileDescriptorSet: Uint8Array): Uint8Array[] {
  const reader = new BinaryReader(fileDescriptorSet);
  const files: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === 1 && wireType === WireType.LengthDelimited) files.push(reader.bytes());
    else reader.skip(wireType, number);
  }
  return files;
}

function addFile(builder: Builder, bytes: Uint8Array): void {
  const proto: FileDescriptorProto = fromBinary(FileDescriptorProtoSchema, bytes);
  const file: DescriptorFile = { name: proto.name, bytes, imports: proto.dependency };
  const scope = proto.package;
  builder.fileByName.set(file.name, file);
  for (const message of proto.messageType) addMessage(builder, file, scope, message);
  for (const enumeration of proto.enumType) addEnum(builder, file, scope, enumeration);
  for (const extension of proto.extension) addExtension(builder, file, scope, extension);
  for (const service of proto.service) {
    const name = qualify(scope, service.name);
    builder.services.push(name);
    builder.fileBySymbol.set(name, file);
    for (const method of service.method) builder.fileBySymbol.set(qualify(name, method.name), file);
  }
}

function addMessage(builder: Builder, file: DescriptorFile, scope: string, message: DescriptorProto): void {
  const name = qualify(scope, message.name);
  builder.fileBySymbol.set(name, file);
  if (!builder.extensions.has(name)) builder.extensions.set(name, new Map());
  for (const field of message.field) builder.fileBySymbol.set(qualify(name, field.name), file);
  for (const oneof of message.oneofDecl) builder.fileBySymbol.set(qualify(name, oneof.name), file);
  for (const extension of message.extension) addExtension(builder, file, name, extension);
  for (const enumeration of message.enumType) addEnum(builder, file, name, enumeration);
  for (const nested of message.nestedType) addMessage(builder, file, name, nested);
}

function addEnum(builder: Builder, file: DescriptorFile, scope: string, enumeration: EnumDescriptorProto): void {
  const name = qualify(scope, enumeration.name);
  builder.fileBySymbol.set(name, file);
  for (const value of enumeration.value) {
    // A value is a sibling of its enum by the rules of the language; some tools ask for it as a child.
    builder.fileBySymbol.set(qualify(scope, value.name), file);
    builder.fileBySymbol.set(qualify(name, value.name), file);
  }
}

function addExtension(builder: Builder, file: DescriptorFile, scope: string, extension: FieldDescriptorProto): void {
  builder.fileBySymbol.set(qualify(scope, extension.name), file);
  const extended = extension.extendee.replace(/^\./, "");
  const numbers = builder.extensions.get(extended) ?? new Map<number, DescriptorFile>();
  numbers.set(extension.number, file);
  builder.extensions.set(extended, numbers);
}

function qualify(scope: string, name: string): string {
  return scope === "" ? name : `${scope}.${name}`;
}
