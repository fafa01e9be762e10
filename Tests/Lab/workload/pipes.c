#include "pipes.h"
#include "oracle.h"

#include <errno.h>
#include <unistd.h>

void say(int fd)
{
	if (write(fd, "x", 1) != 1)
		give_up("write to pipe", errno);
}

void hear(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		give_up("the other process is gone", EPIPE);
}
