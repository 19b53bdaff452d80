// THREADED selects the multi-threaded client: without it the asynchronous API is replaced by zookeeper_interest/process.
#define THREADED
#include <zookeeper/zookeeper.h>

// The library's ACL globals are mutable in its header, which Swift 6 refuses: hand out const pointers.
static inline const struct ACL_vector *matriarch_open_acl(void) { return &ZOO_OPEN_ACL_UNSAFE; }
static inline const struct ACL_vector *matriarch_creator_all_acl(void) { return &ZOO_CREATOR_ALL_ACL; }
