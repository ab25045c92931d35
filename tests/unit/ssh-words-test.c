#include "engine/ssh-words.h"

#include <string.h>

#include "base/utf8.h"
#include "tests/check.h"

static void explain(int status, const char *words, const char *port, struct fl_error *err)
{
	const struct ssh_end end = { "root@b", port, status, words };

	check(ssh_explain(&end, err) < 0);
}

static void ssh_has_failed_in_its_own_words(void)
{
	struct fl_error err;

	explain(255,
		"No ED25519 host key is known for b and you have requested strict checking.\r\n"
		"Host key verification failed.\r\n",
		"", &err);
	check(err.code == FL_UNREACHABLE);
	check_string("ssh to 'root@b': No ED25519 host key is known for b and you have requested "
		     "strict checking.; Host key verification failed.",
		     err.text);
	check(strstr(err.hint, "`ssh root@b flocker-volume --version`"));
	explain(255, "root@b: Permission denied (publickey).\n", "2222", &err);
	check_string("ssh to 'root@b': root@b: Permission denied (publickey).", err.text);
	check(strstr(err.hint, "`ssh -p 2222 root@b flocker-volume --version`"));
	explain(255, "\n", "", &err);
	check_string("ssh to 'root@b' ended without a word", err.text);
}

static void flocker_volume_has_failed_there(void)
{
	static const char words[] =
		"Welcome to b\n"
		"flocker-volume: no Flocker daemon at /run/flocker/flocker.sock\n"
		"  hint: start it: systemctl start flockerd\n";
	struct fl_error err;

	explain(11, words, "", &err);
	check(err.code == FL_UNREACHABLE);
	check_string("flocker-volume on 'root@b': no Flocker daemon at /run/flocker/flocker.sock",
		     err.text);
	check_string("on 'root@b': start it: systemctl start flockerd", err.hint);
	explain(10, "flocker-volume: this user may not\n", "", &err);
	check(err.code == FL_DENIED);
	check(err.hint[0] == '\0');
}

static void flocker_volume_is_not_there(void)
{
	struct fl_error err;

	explain(127, "bash: line 1: flocker-volume: command not found\n", "", &err);
	check(err.code == FL_UNREACHABLE);
	check_string("flocker-volume is not found on 'root@b'", err.text);
	check(strstr(err.hint, "install Flocker there"));
}

static void other_ends_are_told_as_they_are(void)
{
	struct fl_error err;

	explain(1, "This account is currently not available.\n", "", &err);
	check_string("ssh to 'root@b': This account is currently not available.", err.text);
	explain(137, "", "", &err);
	check_string("the link by ssh to 'root@b' has ended (status 137)", err.text);
}

static void what_would_switch_a_terminal_is_not_told(void)
{
	char words[SSH_WORDS];
	struct fl_error err;

	explain(1,
		"a\033[2Jb\x80"
		"c\xe2\x80\xae"
		"d\n",
		"", &err);
	check_string("ssh to 'root@b': a?[2Jb?c???d", err.text);
	memset(words, 'x', sizeof(words));
	words[sizeof(words) - 1] = '\0';
	explain(255, words, "", &err);
	check(strlen(err.text) < sizeof(err.text) && err.hint[0]);
	for (size_t i = 1; i < sizeof(words) - 1; i += 2)
		words[i] = '\n';
	explain(255, words, "", &err);
	check_string("ssh to 'root@b': x; x", err.text);
}

/* What does not fit is not cut within a character. */
static void a_character_is_told_whole_or_not(void)
{
	char words[SSH_WORDS] = "";
	struct fl_error err;

	for (size_t i = 0; i < 3; i++) {
		memset(words, 'x', i);
		for (size_t at = i; at + 3 < sizeof(words); at += 3)
			memcpy(words + at, "世", 4);
		explain(255, words, "", &err);
		check(utf8_is_valid(err.text) && strlen(err.text) > 300);
		memcpy(words + 600, "\nxx", 3);
		explain(255, words, "", &err);
		check(utf8_is_valid(err.text) && strlen(err.text) > 330);
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(ssh_has_failed_in_its_own_words),
				  CHECK(flocker_volume_has_failed_there),
				  CHECK(flocker_volume_is_not_there),
				  CHECK(other_ends_are_told_as_they_are),
				  CHECK(what_would_switch_a_terminal_is_not_told),
				  CHECK(a_character_is_told_whole_or_not),
				  CHECK_END,
			  });
}
