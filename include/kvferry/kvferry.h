/* kvferry/kvferry.h - all of libkvferry's public headers. */
#ifndef KVFERRY_KVFERRY_H
#define KVFERRY_KVFERRY_H

#include <kvferry/base.h>
#include <kvferry/formats.h>
#include <kvferry/io.h>
#include <kvferry/migrate.h>
#include <kvferry/package.h>
#include <kvferry/source.h>
#include <kvferry/store.h>
#include <kvferry/stream.h>

#endif
