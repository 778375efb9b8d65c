/* What every C test includes: cmocka, with the headers that it wants first. */
#ifndef KVF_TEST_H
#define KVF_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
