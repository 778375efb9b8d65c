#!/bin/sh
# The bytes that formats_protobuf.c compares with are read by protoc as meant,
# and are what protoc writes itself.
set -eu
command -v protoc >/dev/null || { echo "protoc is not installed"; exit 77; }
golden=$TOP/tests/golden/protobuf
perl -ne 'chomp; print pack("H*", $_)' "$golden/run.hex" >run.bin
protoc -I"$golden" --decode=Run run.proto <run.bin >run.txt
diff -u "$golden/run.txt" run.txt
protoc -I"$golden" --deterministic_output --encode=Run run.proto <run.txt >again.bin
cmp run.bin again.bin
